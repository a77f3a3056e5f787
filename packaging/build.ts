/**
 * Makes what is published, in dist/:
 *
 *   dist/npm/caisson/               the library and the CLI, bundled, with types
 *   dist/npm/launcher-linux-x64/    one for each launcher binary: binary, launcher.json with its hash
 *   dist/installed/node_modules/    the same, laid out as npm installs it: benchmarks and tests run this
 *
 *   npm run build -- [--launcher linux-arm64=PATH …]     default: the one that `make` built here
 */
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { bundle } from './bundle.ts';
import { assembleLauncher, launcherPackageName, launcherTargets } from './launcher-package.ts';

const repository = resolve(import.meta.dirname, '..');
const npm = join(repository, 'dist/npm');
const main = join(npm, 'caisson');
const manifest = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8'));

const { values } = parseArgs({ options: { launcher: { type: 'string', multiple: true } } });
const here = `linux-${process.arch}`;
const launchers = values.launcher ?? [
  `${here}=${join(repository, 'native/launcher/build/caisson-launcher')}`,
];

rmSync(join(repository, 'dist'), { recursive: true, force: true });
await bundle(join(main, 'dist'));
declareTypes();
for (const file of ['bin', 'LICENSE', 'README.md', 'CHANGELOG.md', 'SECURITY.md']) {
  const from = join(repository, file);
  if (existsSync(from)) cpSync(from, join(main, file), { recursive: true });
}
writeJson(join(main, 'package.json'), publishedManifest());
for (const launcher of launchers) {
  const [target = '', binary = ''] = launcher.split('=');
  assembleLauncher({ target, binary, version: manifest.version, into: npm });
}
layOutAsInstalled();
console.log(`dist/npm: ${readdirSync(npm).join(', ')}`);

function declareTypes(): void {
  const { status } = spawnSync(
    join(repository, 'node_modules/.bin/tsc'),
    ['-p', join(repository, 'packaging/tsconfig.json'), '--outDir', join(main, 'dist/types')],
    { stdio: 'inherit' },
  );
  if (status !== 0) throw new Error('the types could not be declared');
}

function publishedManifest(): Record<string, unknown> {
  const { scripts, devDependencies, ...kept } = manifest;
  return {
    ...kept,
    exports: {
      '.': { types: './dist/types/index.d.ts', default: './dist/index.js' },
      './client': { types: './dist/types/client/index.d.ts', default: './dist/client.js' },
      './package.json': './package.json',
    },
    optionalDependencies: {
      ...kept.optionalDependencies,
      ...Object.fromEntries(
        launcherTargets.map((target) => [launcherPackageName(target), manifest.version]),
      ),
    },
  };
}

function layOutAsInstalled(): void {
  const modules = join(repository, 'dist/installed/node_modules');
  for (const name of readdirSync(npm)) {
    const installed = name === 'caisson' ? name : join('@caisson', name);
    cpSync(join(npm, name), join(modules, installed), { recursive: true });
  }
  mkdirSync(join(modules, '.bin'));
  symlinkSync('../caisson/bin/caisson', join(modules, '.bin/caisson'));
  for (const name of Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies })) {
    const from = join(repository, 'node_modules', name);
    if (!existsSync(from)) continue;
    mkdirSync(join(modules, name, '..'), { recursive: true });
    symlinkSync(from, join(modules, name));
  }
}

function writeJson(path: string, value: unknown): void {
  writeFileSync(path, `${JSON.stringify(value, null, 2)}\n`);
}
