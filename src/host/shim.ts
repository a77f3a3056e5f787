/**
 * A shim stands on PATH for a command and picks its version when it runs. Inside a sandbox that would need the whole
 * version manager; so the choice is made here, by the same files, and the real directory is shown instead.
 */
import { lstatSync, readdirSync, readlinkSync, realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import {
  installedVersion,
  miseTools,
  nearestFile,
  readSmall,
  toolVersions,
  versionLines,
} from './version-file.ts';

export interface ShimContext {
  readonly cwd: string;
  readonly home: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Version managers of rbenv's family: one directory of versions, one file that names the chosen. */
const families = [
  { root: '.pyenv', variable: 'PYENV_VERSION', file: '.python-version' },
  { root: '.rbenv', variable: 'RBENV_VERSION', file: '.ruby-version' },
  { root: '.nodenv', variable: 'NODENV_VERSION', file: '.node-version' },
  { root: '.goenv', variable: 'GOENV_VERSION', file: '.go-version' },
  { root: '.plenv', variable: 'PLENV_VERSION', file: '.perl-version' },
] as const;

/**
 * The file that the shim at `path` would run; `skip` where it would look further along PATH; nothing where it is no shim.
 */
export function throughShim(path: string, context: ShimContext): string | 'skip' | undefined {
  const directory = dirname(path);
  if (basename(directory) === 'shims') {
    const root = dirname(directory);
    if (isDirectory(join(root, 'versions'))) return familyTarget(root, basename(path), context);
    if (isDirectory(join(root, 'installs'))) return installsTarget(root, path, context);
    return 'skip';
  }
  const target = linkTarget(path);
  if (target === undefined) return undefined;
  if (basename(target) === 'rustup') return rustupTarget(path, context);
  if (basename(target) === 'volta-shim') return voltaTarget(path, context);
  return undefined;
}

function familyTarget(root: string, command: string, context: ShimContext): string | 'skip' {
  const family = families.find(({ root: name }) => basename(root) === name) ?? {
    variable: '',
    file: '.tool-versions',
  };
  const fromEnv = context.env[family.variable];
  const text =
    fromEnv === undefined
      ? (nearestFile(context.cwd, [family.file])?.text ?? readSmall(join(root, 'version')) ?? '')
      : fromEnv.replaceAll(':', '\n');
  for (const wanted of versionLines(text)) {
    const version = installedVersion(join(root, 'versions'), wanted);
    const file = version && join(root, 'versions', version, 'bin', command);
    if (file !== undefined && isFile(file)) return file;
  }
  return 'skip';
}

/** asdf and mise: installs/TOOL/VERSION/bin. Which tool a command belongs to, the directories tell. */
function installsTarget(root: string, path: string, context: ShimContext): string | 'skip' {
  const command = basename(path);
  const wanted = wantedTools(context);
  const installs = join(root, 'installs');
  for (const tool of namesIn(installs)) {
    const versions = [
      ...(wanted.get(tool) ?? []),
      ...(tool === 'nodejs' ? (wanted.get('node') ?? []) : []),
      ...(tool === 'node' ? (wanted.get('nodejs') ?? []) : []),
      ...shimVersions(path, tool),
    ];
    for (const each of versions) {
      const version = installedVersion(join(installs, tool), each);
      const file = version && join(installs, tool, version, 'bin', command);
      if (file !== undefined && isFile(file)) return file;
    }
  }
  return 'skip';
}

function wantedTools({ cwd, home }: ShimContext): ReadonlyMap<string, readonly string[]> {
  const local = nearestFile(cwd, ['mise.toml', '.mise.toml', '.tool-versions']);
  const global =
    readSmall(join(home, '.config/mise/config.toml')) ?? readSmall(join(home, '.tool-versions'));
  const parse = (text: string, toml: boolean) => (toml ? miseTools(text) : toolVersions(text));
  return new Map([
    ...(global === undefined ? [] : parse(global, global.includes('[tools]'))),
    ...(local === undefined ? [] : parse(local.text, local.path.endsWith('.toml'))),
  ]);
}

/** asdf writes into each shim what it stands for: `# asdf-plugin: python 3.12.1`. */
function shimVersions(path: string, tool: string): readonly string[] {
  const matches = (readSmall(path) ?? '').matchAll(/^# asdf-plugin: (\S+) (\S+)$/gm);
  return [...matches].flatMap(([, name, version]) =>
    name === tool && version !== undefined && !version.includes('/') ? [version] : [],
  );
}

function rustupTarget(path: string, { cwd, home, env }: ShimContext): string | undefined {
  const root = env.RUSTUP_HOME ?? join(home, '.rustup');
  const file = nearestFile(cwd, ['rust-toolchain.toml', 'rust-toolchain']);
  const named =
    file === undefined
      ? undefined
      : (/channel\s*=\s*"([^"]+)"/.exec(file.text)?.[1] ?? versionLines(file.text)[0]);
  const usual = /^default_toolchain\s*=\s*"([^"]+)"/m.exec(
    readSmall(join(root, 'settings.toml')) ?? '',
  )?.[1];
  for (const wanted of [env.RUSTUP_TOOLCHAIN, named, usual]) {
    if (wanted === undefined || wanted.includes('/')) continue;
    const toolchain = namesIn(join(root, 'toolchains')).find(
      (name) => name === wanted || name.startsWith(`${wanted}-`),
    );
    const target = toolchain && join(root, 'toolchains', toolchain, 'bin', basename(path));
    if (target !== undefined && isFile(target)) return target;
  }
  return undefined;
}

function voltaTarget(path: string, { cwd, home }: ShimContext): string | undefined {
  const tools = join(dirname(dirname(path)), 'tools');
  const pinned = /"volta"\s*:\s*\{[^}]*"node"\s*:\s*"([\d.]+)"/.exec(
    nearestFile(cwd, ['package.json'])?.text ?? '',
  )?.[1];
  const usual = /"runtime"\s*:\s*"([\d.]+)"/.exec(
    readSmall(join(tools, 'user/platform.json')) ??
      readSmall(join(home, '.volta/tools/user/platform.json')) ??
      '',
  )?.[1];
  for (const version of [pinned, usual]) {
    const target = version && join(tools, 'image/node', version, 'bin', basename(path));
    if (target !== undefined && isFile(target)) return target;
  }
  return undefined;
}

function linkTarget(path: string): string | undefined {
  try {
    return lstatSync(path).isSymbolicLink() ? readlinkSync(path) : undefined;
  } catch {
    return undefined;
  }
}

function isFile(path: string): boolean {
  try {
    return lstatSync(realpathSync(path)).isFile();
  } catch {
    return false;
  }
}

function isDirectory(path: string): boolean {
  try {
    return lstatSync(path).isDirectory();
  } catch {
    return false;
  }
}

function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory).sort();
  } catch {
    return [];
  }
}
