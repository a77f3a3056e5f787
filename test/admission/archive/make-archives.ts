/** Archives made byte by byte, so that they can be wrong in every way. */
import { crc32, deflateRawSync } from 'node:zlib';

export interface TarEntry {
  readonly name: string;
  readonly content?: string | Buffer;
  readonly type?: string;
  readonly link?: string;
  /** Another size than the content has. */
  readonly size?: number;
  readonly prefix?: string;
}

export function tar(entries: readonly TarEntry[], end = 1024): Buffer {
  return Buffer.concat([...entries.map(tarEntry), Buffer.alloc(end)]);
}

export function tarEntry({
  name,
  content = '',
  type = '0',
  link = '',
  size,
  prefix = '',
}: TarEntry): Buffer {
  const bytes = Buffer.from(content);
  const header = Buffer.alloc(512);
  header.write(name, 0, 100);
  header.write('0000644\0', 100);
  header.write('0000000\0', 108);
  header.write('0000000\0', 116);
  header.write(`${(size ?? bytes.length).toString(8).padStart(11, '0')}\0`, 124);
  header.write('00000000000\0', 136);
  header.write(type, 156);
  header.write(link, 157, 100);
  header.write('ustar\x0000', 257, 'latin1');
  header.write(prefix, 345, 155);
  header.fill(' ', 148, 156);
  const sum = header.reduce((all, byte) => all + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return Buffer.concat([header, bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)]);
}

export function pax(records: Readonly<Record<string, string>>, type = 'x'): TarEntry {
  const content = Object.entries(records)
    .map(([key, value]) => {
      const rest = ` ${key}=${value}\n`;
      let length = Buffer.byteLength(rest);
      while (`${length}`.length + Buffer.byteLength(rest) !== length) {
        length = `${length}`.length + Buffer.byteLength(rest);
      }
      return `${length}${rest}`;
    })
    .join('');
  return { name: 'pax', type, content };
}

export interface ZipEntry {
  readonly name: string;
  readonly content?: string | Buffer;
  readonly method?: number;
  readonly flags?: number;
  readonly mode?: number;
  /** What the directory says, where it lies. */
  readonly says?: { readonly size?: number; readonly crc?: number; readonly offset?: number };
  readonly localName?: string;
  readonly zip64?: boolean;
}

export interface ZipShape {
  /** Before everything; offsets are not corrected. */
  readonly before?: Buffer;
  /** Between the last entry and the directory. */
  readonly gap?: Buffer;
  readonly comment?: Buffer;
  readonly count?: number;
  readonly zip64?: boolean;
}

export function zip(entries: readonly ZipEntry[], shape: ZipShape = {}): Buffer {
  const { before = Buffer.alloc(0), gap = Buffer.alloc(0), comment = Buffer.alloc(0) } = shape;
  const locals: Buffer[] = [];
  const central: Buffer[] = [];
  let offset = 0;
  for (const entry of entries) {
    const made = zipEntry(entry, offset);
    locals.push(made.local);
    central.push(made.central);
    offset += made.local.length;
  }
  const directory = Buffer.concat(central);
  const at = offset + gap.length;
  const count = shape.count ?? entries.length;
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(shape.zip64 ? 0xffff : count, 8);
  end.writeUInt16LE(shape.zip64 ? 0xffff : count, 10);
  end.writeUInt32LE(shape.zip64 ? 0xffffffff : directory.length, 12);
  end.writeUInt32LE(shape.zip64 ? 0xffffffff : at, 16);
  end.writeUInt16LE(comment.length, 20);
  const long = shape.zip64 ? [end64(count, directory.length, at)] : [];
  return Buffer.concat([before, ...locals, gap, directory, ...long, end, comment]);
}

function end64(count: number, size: number, at: number): Buffer {
  const bytes = Buffer.alloc(76);
  bytes.writeUInt32LE(0x06064b50, 0);
  bytes.writeBigUInt64LE(44n, 4);
  bytes.writeBigUInt64LE(BigInt(count), 24);
  bytes.writeBigUInt64LE(BigInt(count), 32);
  bytes.writeBigUInt64LE(BigInt(size), 40);
  bytes.writeBigUInt64LE(BigInt(at), 48);
  bytes.writeUInt32LE(0x07064b50, 56);
  bytes.writeBigUInt64LE(BigInt(at + size), 64);
  bytes.writeUInt32LE(1, 72);
  return bytes;
}

function zipEntry(entry: ZipEntry, offset: number): { local: Buffer; central: Buffer } {
  const {
    name,
    content = '',
    method = 8,
    flags = 0,
    mode = 0o100644,
    says = {},
    localName = name,
  } = entry;
  const bytes = Buffer.from(content);
  const data = method === 8 ? deflateRawSync(bytes) : bytes;
  const size = says.size ?? bytes.length;
  const crc = says.crc ?? crc32(bytes);
  const extra = Buffer.alloc(entry.zip64 ? 20 : 0);
  if (entry.zip64) {
    extra.writeUInt16LE(1, 0);
    extra.writeUInt16LE(16, 2);
    extra.writeBigUInt64LE(BigInt(size), 4);
    extra.writeBigUInt64LE(BigInt(data.length), 12);
  }
  const shownSize = entry.zip64 ? 0xffffffff : size;
  const shownPacked = entry.zip64 ? 0xffffffff : data.length;
  const local = Buffer.alloc(30);
  local.writeUInt32LE(0x04034b50, 0);
  local.writeUInt16LE(flags, 6);
  local.writeUInt16LE(method, 8);
  local.writeUInt32LE(crc, 14);
  local.writeUInt32LE(shownPacked, 18);
  local.writeUInt32LE(shownSize, 22);
  local.writeUInt16LE(Buffer.byteLength(localName), 26);
  local.writeUInt16LE(extra.length, 28);
  const central = Buffer.alloc(46);
  central.writeUInt32LE(0x02014b50, 0);
  central[5] = 3;
  central.writeUInt16LE(flags, 8);
  central.writeUInt16LE(method, 10);
  central.writeUInt32LE(crc, 16);
  central.writeUInt32LE(shownPacked, 20);
  central.writeUInt32LE(shownSize, 24);
  central.writeUInt16LE(Buffer.byteLength(name), 28);
  central.writeUInt16LE(extra.length, 30);
  central.writeUInt32LE(mode * 0x10000, 38);
  central.writeUInt32LE(says.offset ?? offset, 42);
  return {
    local: Buffer.concat([local, Buffer.from(localName), extra, data]),
    central: Buffer.concat([central, Buffer.from(name), extra]),
  };
}
