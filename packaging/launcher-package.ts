/**
 * The package that brings one launcher binary, so that a user's machine needs no compiler. npm
 * installs only the one whose `os` and `cpu` fit; src/launcher/locate.ts checks the hash at load.
 */
import { createHash } from 'node:crypto';
import { chmodSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

export const launcherTargets = ['linux-x64', 'linux-arm64'] as const;
export type LauncherTarget = (typeof launcherTargets)[number];

/** launcher.json, beside the binary `caisson-launcher`. */
export interface LauncherManifest {
  version: string;
  /** Of the binary's bytes, in lower-case hexadecimal. */
  sha256: string;
  target: LauncherTarget;
}

/** e_machine of elf(5). */
const elfMachine: Record<LauncherTarget, number> = { 'linux-x64': 0x3e, 'linux-arm64': 0xb7 };

export function launcherPackageName(target: LauncherTarget): string {
  return `@caisson/launcher-${target}`;
}

/** Writes `<into>/launcher-<target>/`, ready for `npm publish`. */
export function assembleLauncher(options: {
  target: string;
  binary: string;
  version: string;
  into: string;
}): LauncherManifest {
  const { binary, version } = options;
  const target = launcherTargets.find((each) => each === options.target);
  if (!target) throw new Error(`no such target: ${options.target} (${launcherTargets.join(', ')})`);
  const bytes = readFileSync(binary);
  checkElf(bytes, target, binary);

  const folder = join(options.into, `launcher-${target}`);
  mkdirSync(folder, { recursive: true });
  copyFileSync(binary, join(folder, 'caisson-launcher'));
  chmodSync(join(folder, 'caisson-launcher'), 0o755);
  copyFileSync(resolve(import.meta.dirname, '../LICENSE'), join(folder, 'LICENSE'));
  const manifest = { version, sha256: createHash('sha256').update(bytes).digest('hex'), target };
  writeJson(join(folder, 'launcher.json'), manifest);
  writeJson(join(folder, 'package.json'), {
    name: launcherPackageName(target),
    version,
    description: `Caisson's launcher for ${target}`,
    license: 'Apache-2.0',
    os: ['linux'],
    cpu: [target === 'linux-x64' ? 'x64' : 'arm64'],
    files: ['caisson-launcher', 'launcher.json'],
    // A binary has no place in a zip of Yarn's Plug'n'Play.
    preferUnplugged: true,
  });
  return manifest;
}

function checkElf(bytes: Buffer, target: LauncherTarget, binary: string): void {
  const isElf = bytes.length > 64 && bytes.readUInt32BE(0) === 0x7f454c46;
  if (!isElf || bytes.readUInt16LE(18) !== elfMachine[target]) {
    throw new Error(`${binary} is not a launcher for ${target}`);
  }
}

function writeJson(path: string, value: unknown): void {
  writeFileSync(path, `${JSON.stringify(value, null, 2)}\n`);
}
