/** The C programs of the benchmark, built when it runs: their compiler and libc belong to the result. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

export interface Programs {
  /** `true`, static musl and dynamic glibc (what a distribution's own programs are). */
  readonly musl: string;
  readonly glibc: string;
  readonly timer: string;
  readonly syscalls: string;
}

const SOURCES = join(import.meta.dirname, 'programs');

/**
 * Builds into `directory`.
 * @throws Error naming the Debian package when a compiler is missing.
 */
export function buildPrograms(directory: string): Programs {
  const headers = execFileSync('gcc', ['-print-multiarch'], { encoding: 'utf8' }).trim();
  const muslFlags = [
    '-static',
    '-idirafter',
    '/usr/include',
    '-idirafter',
    `/usr/include/${headers}`,
  ];
  const build = (compiler: string, flags: string[], source: string, name: string): string => {
    const target = join(directory, name);
    const argv = ['-O2', ...flags, '-o', target, join(SOURCES, source)];
    try {
      execFileSync(compiler, argv, { stdio: ['ignore', 'ignore', 'pipe'] });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      throw new Error(`${compiler} is missing: apt-get install musl-tools gcc`);
    }
    return target;
  };
  return {
    musl: build('musl-gcc', muslFlags, 'true.c', 'true-musl'),
    glibc: build('gcc', [], 'true.c', 'true-glibc'),
    timer: build('musl-gcc', muslFlags, 'timer.c', 'timer'),
    syscalls: build('musl-gcc', muslFlags, 'syscalls.c', 'syscalls'),
  };
}
