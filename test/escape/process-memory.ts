/** What root reads of another process: every page that is readable at all (proc_pid_mem(5)). */
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';

interface Region {
  readonly start: bigint;
  readonly end: bigint;
  readonly readable: boolean;
  readonly name: string;
}

const CHUNK = 1 << 20;

export function regionsOf(pid: number): readonly Region[] {
  return readFileSync(`/proc/${pid}/maps`, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => {
      const [, start, end, mode, name] =
        /^([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \S+ *(.*)$/.exec(line) ?? [];
      return {
        start: BigInt(`0x${start}`),
        end: BigInt(`0x${end}`),
        readable: mode?.startsWith('r') === true,
        name: name ?? '',
      };
    });
}

/** Regions in which any of these stand, by name and place; the process runs on meanwhile. */
export function findInMemory(pid: number, ...wanted: readonly Uint8Array[]): string[] {
  const memory = openSync(`/proc/${pid}/mem`, 'r');
  try {
    return regionsOf(pid)
      .filter(({ readable }) => readable)
      .flatMap((region) => {
        const at = findInRegion(memory, region, wanted);
        return at === undefined ? [] : [`${region.name || 'anonymous'} at ${at.toString(16)}`];
      });
  } finally {
    closeSync(memory);
  }
}

/** Whether a page can be read from outside. */
export function isReadable(pid: number, { start }: Region): boolean {
  const memory = openSync(`/proc/${pid}/mem`, 'r');
  try {
    return readSync(memory, Buffer.alloc(1), 0, 1, start) === 1;
  } catch {
    return false;
  } finally {
    closeSync(memory);
  }
}

function findInRegion(
  memory: number,
  region: Region,
  wanted: readonly Uint8Array[],
): bigint | undefined {
  // What begins in one piece ends in it.
  const more = Math.max(...wanted.map(({ length }) => length));
  const buffer = Buffer.alloc(CHUNK + more);
  for (let at = region.start; at < region.end; at += BigInt(CHUNK)) {
    const left = Number(region.end - at);
    try {
      const got = readSync(memory, buffer, 0, Math.min(buffer.length, left), at);
      const read = buffer.subarray(0, got);
      const found = wanted.map((each) => read.indexOf(each)).find((index) => index >= 0);
      if (found !== undefined) return at + BigInt(found);
    } catch {
      // Gone meanwhile, or nobody's to read.
    }
  }
  return undefined;
}
