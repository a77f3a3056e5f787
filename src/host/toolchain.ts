/**
 * What a command needs besides the system directories: the toolchain that it resolves to on the host, read-only inside
 * even where it lies in a home.
 */
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  openSync,
  readSync,
  realpathSync,
  statSync,
} from 'node:fs';
import { basename, dirname, isAbsolute, join, resolve } from 'node:path';
import { isWithin } from '../policy/path-set.ts';
import { SYSTEM_DIRECTORIES } from '../policy/system-directories.ts';
import { type ShimContext, throughShim } from './shim.ts';
import { readSmall } from './version-file.ts';

export interface Toolchain {
  /** What `argv[0]` is inside; another than was given only where that was the path of a shim. */
  readonly command: string;
  /** Read-only; `source` is free of links. */
  readonly binds: readonly {
    readonly source: string;
    readonly target: string;
    readonly file?: boolean;
  }[];
  /** Directories for the front of PATH. */
  readonly path: readonly string[];
  readonly env: readonly (readonly [name: string, value: string])[];
}

export interface ToolchainContext {
  /** Directory of the run on the host, absolute. */
  readonly cwd: string;
  /** The caller's home, absolute. */
  readonly home: string;
  /** The caller's environment: PATH, VIRTUAL_ENV and what version managers read. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** What the guest sees of it anyway is not bound again. */
  readonly workspace?: string;
}

/** Commands that run others by name: for them, every toolchain on PATH is shown. */
const runners = new Set([
  'ash',
  'bash',
  'dash',
  'env',
  'fish',
  'just',
  'make',
  'ninja',
  'nice',
  'sh',
  'time',
  'timeout',
  'xargs',
  'zsh',
]);

/** Commands by which the toolchains of a PATH are found. */
const usualCommands = [
  'python3',
  'python',
  'node',
  'cargo',
  'ruby',
  'go',
  'deno',
  'bun',
  'uv',
  'java',
] as const;

/** What lies beside `bin` in an installation of its own, as against a directory of loose programs. */
const marksOfInstallation = ['lib', 'lib64', 'libexec', 'share', 'include'] as const;

/** Where version managers and installers of a person keep toolchains, below the home. */
const knownHomes = [
  '.pyenv',
  '.rbenv',
  '.nodenv',
  '.goenv',
  '.plenv',
  '.nvm',
  '.fnm',
  '.volta',
  '.asdf',
  '.rustup',
  '.cargo/bin',
  '.bun',
  '.deno',
  '.sdkman',
  '.local/share/mise',
  '.local/share/uv',
  '.local/share/fnm',
  '.local/share/pnpm',
  '.local/share/pipx',
  '.local/pipx',
  'n',
  'miniconda3',
  'anaconda3',
  'miniforge3',
] as const;

/** Interpreters of interpreters: a script run by a script, and so on. */
const DEEPEST = 4;

/**
 * An unknown command yields an empty toolchain: whether it is there is for the sandbox to find out.
 *
 * @param command `argv[0]`
 */
export function resolveToolchain(command: string, context: ToolchainContext): Toolchain {
  const search = new Search(context);
  const file = search.add(command);
  if (runners.has(basename(command)) || (file !== undefined && runners.has(basename(file)))) {
    for (const each of usualCommands) search.add(each);
  }
  return search.result(command);
}

class Search {
  readonly #context: ToolchainContext;
  readonly #shims: ShimContext;
  readonly #binds = new Map<string, string>();
  readonly #path = new Set<string>();

  constructor(context: ToolchainContext) {
    this.#context = context;
    this.#shims = context;
  }

  result(command: string): Toolchain {
    const targets = [...this.#binds.keys()];
    const binds = [...this.#binds]
      .filter(([target]) => !targets.some((other) => other !== target && isWithin(target, other)))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([target, source]) => ({
        source,
        target,
        ...(statSync(source).isFile() ? { file: true } : {}),
      }));
    const found = command.includes('/') ? this.#find(command) : undefined;
    const shim = found !== undefined && found !== resolve(this.#context.cwd, command);
    return { command: shim ? found : command, binds, path: [...this.#path], env: [] };
  }

  /**
   * The file that runs, links resolved; nothing where the command is not found.
   *
   * @param planted whether something that lies in the workspace named it: a guest may have put that there, to be shown
   * more of the host at the next run, so it leads to known toolchains alone
   */
  add(command: string, depth = 0, planted = false): string | undefined {
    const found = this.#find(command);
    if (found === undefined || depth > DEEPEST) return undefined;
    const real = realpathSync(found);
    const doubtful = planted || isWithin(found, this.#context.workspace ?? this.#context.cwd);
    if (!isSystem(real)) {
      if (!doubtful || this.#isKnown(real)) this.#show(found, real, command.includes('/'));
    } else if (!isSystem(found) && command.includes('/')) this.#bind(found, real);
    const venv = venvOf(found);
    if (venv !== undefined) this.#addVenv(venv, depth, doubtful);
    const interpreter = interpreterOf(real);
    if (interpreter !== undefined) this.add(interpreter, depth + 1, doubtful);
    return real;
  }

  #isKnown(real: string): boolean {
    const { home, env } = this.#context;
    return (
      knownHomes.some((name) => isWithin(real, join(home, name))) ||
      (env.PATH ?? '').split(':').some((entry) => isAbsolute(entry) && dirname(real) === entry)
    );
  }

  #find(command: string): string | undefined {
    const { cwd, env } = this.#context;
    if (command.includes('/')) {
      const path = isAbsolute(command) ? command : resolve(cwd, command);
      return isExecutable(path) ? this.#real(path) : undefined;
    }
    for (const entry of (env.PATH ?? '').split(':')) {
      if (!isAbsolute(entry)) continue;
      const path = join(entry, command);
      if (!isExecutable(path)) continue;
      const target = this.#real(path);
      if (target !== undefined) return target;
    }
    return undefined;
  }

  #real(path: string): string | undefined {
    const target = throughShim(path, this.#shims);
    return target === 'skip' ? undefined : (target ?? path);
  }

  /** @param byPath the command was given as a path, which must then exist inside as it is */
  #show(found: string, real: string, byPath: boolean): void {
    const modules = real.indexOf('/node_modules/');
    const prefix =
      modules >= 0
        ? basename(real.slice(0, modules)) === 'lib'
          ? dirname(real.slice(0, modules))
          : real.slice(0, modules + '/node_modules'.length)
        : dirname(dirname(real));
    const whole = modules >= 0 || this.#isInstallation(prefix, real);
    if (whole) this.#bind(prefix, prefix);
    /* A loose program is shown alone, under the name by which it was found. */
    const names = whole && isWithin(found, prefix) ? [] : [found];
    if (!whole || byPath) for (const name of names) this.#bind(name, real);
    const bin = whole && modules < 0 ? dirname(real) : dirname(found);
    if (!whole || isWithin(bin, prefix)) this.#path.add(bin);
    else if (basename(dirname(found)) === 'bin' || basename(dirname(found)) === '.bin') {
      this.#bind(found, real);
      this.#path.add(dirname(found));
    }
  }

  #isInstallation(prefix: string, real: string): boolean {
    const { home } = this.#context;
    if (basename(dirname(real)) !== 'bin') return false;
    if (isWithin(home, prefix) || prefix === join(home, '.local')) return false;
    return (
      existsSync(join(prefix, 'pyvenv.cfg')) ||
      marksOfInstallation.some((name) => existsSync(join(prefix, name)))
    );
  }

  /** A virtual environment holds links into the Python that it was made from (pyvenv.cfg, `home`). */
  #addVenv(venv: string, depth: number, doubtful: boolean): void {
    if (!doubtful) this.#bind(venv, realpathSync(venv));
    this.#path.add(join(venv, 'bin'));
    const home = /^home\s*=\s*(.+)$/m.exec(readSmall(join(venv, 'pyvenv.cfg')) ?? '')?.[1]?.trim();
    if (home === undefined || !isAbsolute(home) || isSystem(home) || home.includes('/..')) return;
    const python = join(home, 'python3');
    if (!isExecutable(python)) return;
    const real = realpathSync(python);
    if (!this.#isInstallation(dirname(dirname(real)), real)) return;
    if (doubtful && !this.#isKnown(real)) return;
    /* The links in it may name the base by another path than its real one. */
    if (dirname(real) !== home) this.#bind(dirname(home), dirname(dirname(real)));
    this.add(real, depth + 1);
  }

  #bind(target: string, source: string): void {
    const { workspace } = this.#context;
    if (workspace !== undefined && isWithin(target, workspace)) return;
    if (isSystem(target)) return;
    this.#binds.set(target, source);
  }
}

function isSystem(path: string): boolean {
  return SYSTEM_DIRECTORIES.some((directory) => isWithin(path, directory));
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

function venvOf(path: string): string | undefined {
  const root = dirname(dirname(path));
  return existsSync(join(root, 'pyvenv.cfg')) ? root : undefined;
}

/** The command of a `#!` line; through `env` and `env -S`, the one that env looks up (execve(2)). */
function interpreterOf(path: string): string | undefined {
  const line = firstLine(path);
  if (line === undefined || !line.startsWith('#!')) return undefined;
  const [program, ...words] = line.slice(2).trim().split(/\s+/);
  if (program === undefined || program === '') return undefined;
  if (basename(program) !== 'env') return program;
  return words.find((word) => !word.startsWith('-') && !word.includes('='));
}

function firstLine(path: string): string | undefined {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch {
    return undefined;
  }
  try {
    const bytes = Buffer.alloc(256);
    const length = readSync(fd, bytes, 0, bytes.length, 0);
    return bytes.toString('latin1', 0, length).split('\n', 1)[0];
  } finally {
    closeSync(fd);
  }
}
