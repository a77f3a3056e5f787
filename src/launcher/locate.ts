/**
 * Where the launcher is, and whether it is the one that was released.
 *
 * First the optional package for this platform, whose launcher.json says the hash of the program beside it;
 * then what was built in this clone. Nothing in the environment can point somewhere else.
 */

import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { arch, platform } from 'node:process';
import { fileURLToPath } from 'node:url';
// The small build of zod: this runs at the start of every program, and the whole one costs half of Node's own start.
import * as z from 'zod/mini';
import { CaissonError } from '../core/error.ts';
import { safeParse } from '../core/safe-parse.ts';

const releaseSchema = z.strictObject({
  version: z.string().check(z.describe('Version of Caisson that the launcher was released with')),
  sha256: z.string().check(z.regex(/^[0-9a-f]{64}$/), z.describe('SHA-256 of the program, in hex')),
  target: z.string().check(z.describe('What it runs on, e.g. linux-x64')),
});

export interface LocatedLauncher {
  readonly path: string;
  readonly from: 'package' | 'clone';
}

const here = dirname(fileURLToPath(import.meta.url));

/**
 * @throws PLATFORM_UNSUPPORTED outside Linux, LAUNCHER_MISSING when there is none, LAUNCHER_UNTRUSTED when the
 * package's program is not what its launcher.json says, or others may write to it.
 */
export function locateLauncher(startAt: string = here): LocatedLauncher {
  if (platform !== 'linux') {
    throw new CaissonError('PLATFORM_UNSUPPORTED', {
      layer: 'launcher',
      message: `running needs Linux, this is ${platform}`,
      hint: 'policy, explain and compile work here; run on a Linux machine or in a Linux VM',
    });
  }
  return released(startAt) ?? built(startAt) ?? missing();
}

function released(startAt: string): LocatedLauncher | undefined {
  const target = `linux-${arch}`;
  let manifest: string;
  try {
    manifest = createRequire(join(startAt, 'locate.js')).resolve(
      `@caisson/launcher-${target}/launcher.json`,
    );
  } catch {
    return undefined;
  }
  const release = safeParse(releaseSchema, readJson(manifest));
  if (!release.success) throw untrusted(manifest, 'its launcher.json cannot be read');
  if (release.data.target !== target) {
    throw untrusted(manifest, `it is for ${release.data.target}, this is ${target}`);
  }
  const path = join(dirname(manifest), 'caisson-launcher');
  const bytes = readProgram(path);
  if (bytes === undefined) throw untrusted(path, 'the program is not there');
  const hash = createHash('sha256').update(bytes).digest('hex');
  if (hash !== release.data.sha256) throw untrusted(path, `its SHA-256 is ${hash}`);
  refuseOpenToOthers(path);
  return { path, from: 'package' };
}

/** src/launcher/ in a clone, dist/ in a bundle made from it. */
function built(startAt: string): LocatedLauncher | undefined {
  for (const up of ['../..', '..']) {
    const path = join(startAt, up, 'native/launcher/build/caisson-launcher');
    if (statSync(path, { throwIfNoEntry: false })?.isFile() === true) {
      refuseOpenToOthers(path);
      return { path, from: 'clone' };
    }
  }
  return undefined;
}

function missing(): never {
  throw new CaissonError('LAUNCHER_MISSING', {
    layer: 'launcher',
    hint: `in a clone: npm run build:launcher; else: npm install @caisson/launcher-linux-${arch}`,
  });
}

function refuseOpenToOthers(path: string): void {
  if ((statSync(path).mode & 0o002) !== 0) throw untrusted(path, 'everybody may write to it');
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}

function readProgram(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}

function untrusted(path: string, reason: string): CaissonError {
  return new CaissonError('LAUNCHER_UNTRUSTED', {
    layer: 'launcher',
    message: `the launcher at ${path} is not used: ${reason}`,
    hint: 'install the package again: npm ci --ignore-scripts',
    details: { path },
  });
}
