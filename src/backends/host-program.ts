/**
 * Where the programs of host processes are, and what they read. Everything is named by its real path: behind a wall the
 * links that lead there (pnpm's, npm's) are not seen.
 */
import { existsSync, realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative, sep } from 'node:path';
import { execPath } from 'node:process';
import { fileURLToPath } from 'node:url';

import { HOST_PORT } from '../plan/host-policy.ts';
import type { HostKind } from './program.ts';

export interface HostProgram {
  readonly argv: readonly string[];
  /** Files and directories, absolute. */
  readonly read: readonly string[];
  /** What a host has in memory before any guest, bytes. */
  readonly baseBytes: number;
}

const MiB = 2 ** 20;
/**
 * Node with its heap, our program and V8's own threads, and what collectors leave of earlier guests; measured by
 * test/backends/host-memory.test.ts.
 */
const BASE_BYTES: Readonly<Record<'isolate' | 'wasm', number>> = {
  isolate: 40 * MiB,
  // A module's memory is held to the limit by what was written into it: here is only what is not collected yet.
  wasm: 64 * MiB,
};
/** What a host of isolates holds between two guests, at most: nothing is kept, or contexts are. */
const HELD_BYTES = { nothing: 8 * MiB, kept: 24 * MiB };
/** The compiler of components with its code and its memory; measured by test/backends/component-host-memory.test.ts. */
const COMPILER_BYTES = 112 * MiB;
const FLAGS = [
  '--disable-warning=ExperimentalWarning',
  '--disable-sigusr1',
  // Nothing in a host is worth a pool: guests run on its one thread.
  '--v8-pool-size=1',
  // MiB. With V8's own choice, its garbage of many short evaluations takes 30 MiB more.
  '--max-semi-space-size=8',
];

/** @param files directories that the guest may be given, absolute */
export function hostProgram(
  { engine, memoryBytes, keeps }: HostKind,
  files: readonly string[],
): HostProgram {
  const program = programPath(engine === 'component' ? 'wasm' : engine);
  const node = realpathSync(execPath);
  const argv = [node, ...FLAGS, program, String(memoryBytes), String(HOST_PORT)];
  const read = [node, ...ownFiles(program)];
  if (engine === 'wasm') return { argv, read: [...read, ...files], baseBytes: BASE_BYTES.wasm };
  if (engine === 'component') {
    const compiler = componentCompiler(program);
    return {
      argv: [...argv, ...compiler],
      read: [...read, ...compiler, ...files],
      baseBytes: BASE_BYTES.wasm + COMPILER_BYTES,
    };
  }
  const module = realpathSync(createRequire(import.meta.url).resolve('isolated-vm'));
  const loader = realpathSync(createRequire(module).resolve('node-gyp-build'));
  const heldBytes = keeps ? HELD_BYTES.kept : HELD_BYTES.nothing;
  return {
    argv: [...argv, module, String(heldBytes)],
    read: [...read, dirname(module), dirname(loader)],
    baseBytes: BASE_BYTES.isolate + (keeps ? HELD_BYTES.kept : 0),
  };
}

/** Bundled it stands beside this file, as `NAME-host.js`; in a clone in the folder of its engine. */
function programPath(name: string): string {
  const here = realpathSync(fileURLToPath(import.meta.url));
  const path = here.endsWith('.ts') ? join(name, 'host.ts') : `${name}-host.js`;
  return join(dirname(here), path);
}

/** jco's compiler of components: bundled it stands beside the host's program; in a clone in its package, if that is there. */
function componentCompiler(program: string): string[] {
  const bundled = join(dirname(program), 'component-compiler.wasm');
  if (existsSync(bundled)) return [bundled];
  try {
    const require = createRequire(import.meta.url);
    const vendor = dirname(require.resolve('@bytecodealliance/jco-transpile/component'));
    return [realpathSync(join(vendor, 'js-component-bindgen-component.core.wasm'))];
  } catch {
    return [];
  }
}

/** The part of our package that holds the program, and what says that it is ES modules. */
function ownFiles(program: string): string[] {
  let root = dirname(program);
  while (!existsSync(join(root, 'package.json'))) root = dirname(root);
  const [part = ''] = relative(root, program).split(sep);
  return [join(root, part), join(root, 'package.json')];
}
