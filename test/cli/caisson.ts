/** Runs the CLI as a person does, in a place of its own. */
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

export const entry: string = resolve(import.meta.dirname, '../../bin/caisson');

const compiled = resolve(import.meta.dirname, '../../build/compile-cache');

export interface Place extends Disposable {
  /** The current directory of its commands. */
  readonly work: string;
  readonly environment: NodeJS.ProcessEnv;
  caisson(args: readonly string[], options?: RunOptions): SpawnSyncReturns<string>;
}

export interface RunOptions {
  readonly input?: string;
  readonly environment?: NodeJS.ProcessEnv;
  readonly cwd?: string;
}

/** A home and a directory to work in, gone when it is disposed of. */
export function makePlace(): Place {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'caisson-cli-')));
  const work = join(root, 'work');
  for (const name of ['work', 'home', 'runtime']) mkdirSync(join(root, name), { mode: 0o700 });
  const { NODE_OPTIONS, NODE_TEST_CONTEXT, ...inherited } = process.env;
  const environment = {
    ...inherited,
    HOME: join(root, 'home'),
    XDG_RUNTIME_DIR: join(root, 'runtime'),
    XDG_CACHE_HOME: join(root, 'home/.cache'),
    XDG_STATE_HOME: join(root, 'home/.state'),
    // Every place is new, what is compiled is the same in all of them. `bin/caisson` alone has tests of where it keeps that.
    NODE_COMPILE_CACHE: compiled,
  };
  return {
    work,
    environment,
    caisson: (args, { input = '', environment: more = {}, cwd = work } = {}) =>
      spawnSync(entry, args, {
        cwd,
        input,
        encoding: 'utf8',
        env: { ...environment, ...more },
        timeout: 60_000,
        maxBuffer: 256 * 1024 * 1024,
      }),
    [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true }),
  };
}
