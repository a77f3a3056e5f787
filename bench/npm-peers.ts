/**
 * Peers from npm that are too large, or of too little use elsewhere, to be dependencies: installed by the benchmark itself
 * below `build/`, where they stay for the next time.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { Bench } from './suite.ts';

const VERSIONS = {
  /** With its binary, 160 MB. */
  workerd: '1.20261117.1',
  'quickjs-emscripten-core': '0.32.0',
  '@jitl/quickjs-wasmfile-release-sync': '0.32.0',
} as const;

export type NpmPeer = keyof typeof VERSIONS;

const DIRECTORY = join(import.meta.dirname, '..', 'build', 'bench-peers');

/** @returns what requires them; why they are not there */
export function npmPeers(bench: Bench, names: readonly NpmPeer[]): NodeJS.Require | string {
  mkdirSync(DIRECTORY, { recursive: true });
  const manifest = join(DIRECTORY, 'package.json');
  if (!existsSync(manifest)) writeFileSync(manifest, '{"private":true}');
  const missing = names.filter((name) => !existsSync(join(DIRECTORY, 'node_modules', name)));
  if (missing.length > 0) {
    bench.note(`installing ${missing.join(', ')} from npm`);
    const wanted = missing.map((name) => `${name}@${VERSIONS[name]}`);
    const flags = ['--ignore-scripts', '--no-audit', '--no-fund'];
    try {
      execFileSync('npm', ['install', ...flags, ...wanted], { cwd: DIRECTORY, stdio: 'pipe' });
    } catch {
      return `could not be installed: npm install ${wanted.join(' ')}`;
    }
  }
  return createRequire(manifest);
}
