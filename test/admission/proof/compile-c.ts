/** The C programs of programs/ as modules. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const directory = join(import.meta.dirname, 'programs');

function isThere(program: string): boolean {
  return spawnSync(program, ['--version']).status === 0;
}

export const noClang: string | false =
  isThere('clang') && isThere('wasm-ld') ? false : 'clang and lld are not installed';

/** Whether there is a C library for it, too. */
export const noLibrary: string | false =
  noClang ||
  (existsSync('/usr/include/wasm32-wasi') ? false : 'clang with wasi-libc is not installed');

/** @throws Error with what the compiler said */
export function compileC(name: string, flags: readonly string[] = ['-O2']): Uint8Array {
  const bare = ['--target=wasm32', '-ffreestanding', '-nostdlib', '-Wl,--no-entry'];
  const wasi = ['--target=wasm32-wasi'];
  const exported = ['-Wl,--export-dynamic', '-fvisibility=default'];
  const kind = name === 'library' ? wasi : [...bare, ...exported];
  const place = mkdtempSync(join(tmpdir(), 'caisson-proof-'));
  try {
    const out = join(place, 'out.wasm');
    const { status, stderr } = spawnSync(
      'clang',
      [...kind, ...flags, '-o', out, join(directory, `${name}.c`)],
      // clang hands its output to a wasm-opt that it finds by PATH, and one of our packages brings one.
      { encoding: 'utf8', env: { PATH: '/usr/local/bin:/usr/bin:/bin' } },
    );
    if (status !== 0) throw new Error(stderr);
    return new Uint8Array(readFileSync(out));
  } finally {
    rmSync(place, { recursive: true });
  }
}
