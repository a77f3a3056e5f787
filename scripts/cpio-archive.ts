/** A cpio archive in the "newc" format, which the kernel unpacks as its first root (initramfs buffer format). */
const TYPE = { directory: 0o040000, file: 0o100000, character: 0o020000 } as const;

export class CpioArchive {
  readonly #parts: Uint8Array[] = [];
  readonly #directories = new Set<string>();
  #entries = 0;

  /** Parents come by themselves. */
  directory(path: string): void {
    if (path === '/' || this.#directories.has(path)) return;
    this.#directories.add(path);
    this.#parent(path);
    this.#append(path, TYPE.directory | 0o755, new Uint8Array());
  }

  file(path: string, content: Uint8Array | string, mode: number): void {
    this.#parent(path);
    this.#append(
      path,
      TYPE.file | mode,
      typeof content === 'string' ? new TextEncoder().encode(content) : content,
    );
  }

  device(path: string, major: number, minor: number): void {
    this.#parent(path);
    this.#append(path, TYPE.character | 0o600, new Uint8Array(), major, minor);
  }

  /** The archive's bytes; nothing may be added afterwards. */
  finish(): Uint8Array {
    this.#append('/TRAILER!!!', 0, new Uint8Array());
    return Buffer.concat(this.#parts);
  }

  #parent(path: string): void {
    this.directory(path.slice(0, path.lastIndexOf('/')) || '/');
  }

  #append(path: string, mode: number, content: Uint8Array, major = 0, minor = 0): void {
    const name = Buffer.from(`${path.slice(1)}\0`);
    const fields = [
      ++this.#entries,
      mode,
      0,
      0,
      1,
      0,
      content.length,
      0,
      0,
      major,
      minor,
      name.length,
      0,
    ];
    const head = `070701${fields.map((value) => value.toString(16).padStart(8, '0')).join('')}`;
    for (const bytes of [Buffer.concat([Buffer.from(head), name]), content])
      this.#parts.push(bytes, new Uint8Array(-bytes.length & 3));
  }
}
