/** Samples inside of what holds them: bare git repositories, tar and zip archives. Nothing is unpacked to disk. */
import { spawn, spawnSync } from 'node:child_process';
import { gunzipSync, inflateRawSync } from 'node:zlib';

export interface Entry {
  readonly path: string;
  readonly bytes: Buffer;
  /** YYYYMMDD as the archive says; 0 where it does not. */
  readonly date: number;
}

export interface GitFile {
  readonly object: string;
  readonly size: number;
  readonly path: string;
}

export function gitFiles(repository: string): GitFile[] {
  const listed = spawnSync('git', ['-C', repository, 'ls-tree', '-r', '-l', '-z', 'HEAD'], {
    maxBuffer: 1 << 30,
    encoding: 'utf8',
  });
  if (listed.status !== 0) throw new Error(`git ls-tree in ${repository}: ${listed.stderr}`);
  return listed.stdout
    .split('\0')
    .map((line) => /^\d+ blob ([0-9a-f]+) +(\d+)\t(.*)$/s.exec(line))
    .filter((match) => match !== null)
    .map((match) => ({
      object: match[1] as string,
      size: Number(match[2]),
      path: match[3] as string,
    }));
}

/** Contents in the order asked for, by one `git cat-file --batch`. */
export async function* gitContents(
  repository: string,
  files: readonly GitFile[],
): AsyncGenerator<readonly [GitFile, Buffer]> {
  const git = spawn('git', ['-C', repository, 'cat-file', '--batch'], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  git.stdin.on('error', () => {});
  git.stdin.end(files.map((file) => `${file.object}\n`).join(''));
  let held: Buffer[] = [];
  let length = 0;
  let next = 0;
  let wanted: number | undefined;
  for await (const piece of git.stdout as AsyncIterable<Buffer>) {
    held.push(piece);
    length += piece.length;
    if (wanted !== undefined && length < wanted + 1) continue;
    let all = Buffer.concat(held);
    for (;;) {
      if (wanted === undefined) {
        const end = all.indexOf(10);
        if (end < 0) break;
        const size = / blob (\d+)$/.exec(all.toString('latin1', 0, end));
        all = all.subarray(end + 1);
        if (size === null) {
          next++;
          continue;
        }
        wanted = Number(size[1]);
      }
      if (all.length < wanted + 1) break;
      yield [files[next++] as GitFile, Buffer.from(all.subarray(0, wanted))];
      all = all.subarray(wanted + 1);
      wanted = undefined;
    }
    held = [all];
    length = all.length;
  }
}

const day = (time: Date): number =>
  Number.isNaN(time.getTime())
    ? 0
    : time.getUTCFullYear() * 10_000 + (time.getUTCMonth() + 1) * 100 + time.getUTCDate();

/** ustar, pax and GNU long names as far as names need them. */
function* tarEntries(tar: Buffer): Generator<Entry> {
  let longName: string | undefined;
  for (let offset = 0; offset + 512 <= tar.length; ) {
    const header = tar.subarray(offset, offset + 512);
    if (header[0] === 0) break;
    const text = (from: number, to: number): string =>
      header.toString('utf8', from, to).split('\0')[0] as string;
    const size = Number.parseInt(text(124, 136).trim() || '0', 8);
    if (!Number.isFinite(size)) break;
    const kind = String.fromCharCode(header[156] as number);
    const body = tar.subarray(offset + 512, offset + 512 + size);
    if (kind === 'L') longName = (body.toString('utf8').split('\0')[0] as string) || undefined;
    else if (kind === 'x')
      longName = /\d+ path=(.*)\n/.exec(body.toString('utf8'))?.[1] ?? longName;
    else {
      const prefix = text(345, 500);
      const path = longName ?? (prefix === '' ? text(0, 100) : `${prefix}/${text(0, 100)}`);
      longName = undefined;
      if (kind === '0' || kind === '\0') {
        const seconds = Number.parseInt(text(136, 148).trim() || '0', 8);
        yield { path, bytes: body, date: day(new Date(seconds * 1000)) };
      }
    }
    offset += 512 + Math.ceil(size / 512) * 512;
  }
}

function* zipEntries(zip: Buffer): Generator<Entry> {
  let end = zip.length - 22;
  while (end >= 0 && zip.readUInt32LE(end) !== 0x06054b50) end--;
  if (end < 0) return;
  let at = zip.readUInt32LE(end + 16);
  for (let count = zip.readUInt16LE(end + 10); count > 0; count--) {
    if (at + 46 > zip.length || zip.readUInt32LE(at) !== 0x02014b50) return;
    const method = zip.readUInt16LE(at + 10);
    const packed = zip.readUInt32LE(at + 20);
    const nameLength = zip.readUInt16LE(at + 28);
    const dosDate = zip.readUInt16LE(at + 14);
    const local = zip.readUInt32LE(at + 42);
    const path = zip.toString('utf8', at + 46, at + 46 + nameLength);
    at += 46 + nameLength + zip.readUInt16LE(at + 30) + zip.readUInt16LE(at + 32);
    if (local + 30 > zip.length || path.endsWith('/')) continue;
    const start = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28);
    const body = zip.subarray(start, start + packed);
    const date = ((dosDate >> 9) + 1980) * 10_000 + ((dosDate >> 5) & 15) * 100 + (dosDate & 31);
    if (method === 0) yield { path, bytes: body, date };
    else if (method === 8) {
      yield { path, bytes: inflateRawSync(body, { maxOutputLength: 1 << 26 }), date };
    }
  }
}

/** What cannot be read is left out. */
export function archiveEntries(name: string, bytes: Buffer): Entry[] {
  try {
    if (/\.(zip|whl|egg)$/.test(name)) return [...zipEntries(bytes)];
    if (/\.(tar\.gz|tgz)$/.test(name)) {
      return [...tarEntries(gunzipSync(bytes, { maxOutputLength: 1 << 28 }))];
    }
  } catch {}
  return [];
}
