import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { assembleLauncher, type LauncherManifest } from '../../packaging/launcher-package.ts';

let into: string;
let binary: string;

beforeEach(() => {
  into = mkdtempSync(join(tmpdir(), 'launcher-package-'));
  binary = join(into, 'built');
});
afterEach(() => rmSync(into, { recursive: true }));

/** An ELF header for aarch64 and nothing behind it. */
function arm64Binary(): Buffer {
  const bytes = Buffer.alloc(128);
  bytes.writeUInt32BE(0x7f454c46, 0);
  bytes.writeUInt16LE(0xb7, 18);
  return bytes;
}

test('the manifest names the hash of the binary beside it', () => {
  writeFileSync(binary, arm64Binary());
  assembleLauncher({ target: 'linux-arm64', binary, version: '1.2.3', into });

  const folder = join(into, 'launcher-linux-arm64');
  const shipped = readFileSync(join(folder, 'caisson-launcher'));
  const manifest = JSON.parse(readFileSync(join(folder, 'launcher.json'), 'utf8'));
  const sha256 = createHash('sha256').update(shipped).digest('hex');
  const expected: LauncherManifest = { version: '1.2.3', sha256, target: 'linux-arm64' };
  assert.deepEqual(manifest, expected);
  assert.equal(statSync(join(folder, 'caisson-launcher')).mode & 0o777, 0o755);

  const { name, os, cpu, scripts } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  assert.deepEqual(
    { name, os, cpu, scripts },
    { name: '@caisson/launcher-linux-arm64', os: ['linux'], cpu: ['arm64'], scripts: undefined },
  );
});

test('refuses a binary for another machine, what is no binary, and an unknown target', () => {
  writeFileSync(binary, arm64Binary());
  const assemble = (target: string) => () =>
    assembleLauncher({ target, binary, version: '1.2.3', into });
  assert.throws(assemble('linux-x64'), /is not a launcher for linux-x64/);
  assert.throws(assemble('linux-riscv64'), /no such target/);
  writeFileSync(binary, '#!/bin/sh\n');
  assert.throws(assemble('linux-arm64'), /is not a launcher/);
});
