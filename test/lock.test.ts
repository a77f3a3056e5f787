/** package-lock.json must do for `npm ci` everywhere, and say nothing of where it was written. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

interface Entry {
  integrity?: string;
  resolved?: string;
  // npm keeps a single name as the package wrote it
  os?: string | string[];
  cpu?: string | string[];
  libc?: string[];
  optionalDependencies?: Record<string, string>;
}
const path = join(import.meta.dirname, '../package-lock.json');
const { packages } = JSON.parse(readFileSync(path, 'utf8')) as { packages: Record<string, Entry> };

test('no address of a registry', () => {
  const addressed = Object.keys(packages).filter((name) => packages[name]?.resolved !== undefined);
  assert.deepEqual(addressed, []);
});

test('every optional dependency has its entry', () => {
  for (const { optionalDependencies = {} } of Object.values(packages)) {
    for (const name of Object.keys(optionalDependencies)) {
      assert.ok(packages[`node_modules/${name}`], `${name} is missing: npm run lock`);
    }
  }
});

test('what Linux with glibc installs is hashed', () => {
  const installs = ([name, { os, cpu, libc }]: [string, Entry]) =>
    name !== '' &&
    (os === undefined || [os].flat().includes('linux')) &&
    (cpu === undefined || [cpu].flat().some((each) => ['x64', 'arm64'].includes(each))) &&
    !libc?.includes('musl');
  const installed = Object.entries(packages).filter(installs);
  assert.ok(installed.length > 10);
  for (const [name, { integrity }] of installed) assert.match(integrity ?? '', /^sha512-/, name);
});
