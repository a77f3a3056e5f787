/** Which launcher is started: the released one only when it is what its launcher.json says. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { arch } from 'node:process';
import { test } from 'node:test';
import { isCaissonError } from '../../src/core/error.ts';
import { LauncherClient } from '../../src/launcher/client.ts';
import { locateLauncher } from '../../src/launcher/locate.ts';

/** An installation as npm leaves it: `node_modules/caisson/dist` and the launcher's package beside it. */
function installation() {
  const root = mkdtempSync(join(tmpdir(), 'caisson-locate-'));
  const startAt = join(root, 'node_modules/caisson/dist');
  const folder = join(root, `node_modules/@caisson/launcher-linux-${arch}`);
  for (const path of [startAt, folder]) mkdirSync(path, { recursive: true });
  const program = join(folder, 'caisson-launcher');
  const witness = join(root, 'started');
  writeFileSync(program, `#!/bin/sh\ntouch ${witness}\n`);
  chmodSync(program, 0o755);
  writeFileSync(join(folder, 'package.json'), '{"name":"made-up","version":"1.0.0"}');
  const manifest = (change: object = {}) => {
    const sha256 = createHash('sha256').update(`#!/bin/sh\ntouch ${witness}\n`).digest('hex');
    const release = { version: '1.0.0', sha256, target: `linux-${arch}`, ...change };
    writeFileSync(join(folder, 'launcher.json'), JSON.stringify(release));
  };
  manifest();
  return {
    startAt,
    folder,
    program,
    witness,
    manifest,
    [Symbol.dispose]: () => rmSync(root, { recursive: true }),
  };
}

type Installation = ReturnType<typeof installation>;

test('a package whose program has the hash that it names is taken, and can be started', async () => {
  using at = installation();
  assert.deepEqual(locateLauncher(at.startAt), { path: at.program, from: 'package' });
  await using client = new LauncherClient(at.program);
  await assert.rejects(client.probe());
  assert.ok(existsSync(at.witness), 'what the refusals below must not do');
});

const spoiled: readonly (readonly [string, (at: Installation) => void, RegExp])[] = [
  [
    'one byte more',
    (at) => writeFileSync(at.program, `#!/bin/sh\ntouch ${at.witness}\n\n`),
    /SHA-256 is [0-9a-f]{64}/,
  ],
  ['another hash', (at) => at.manifest({ sha256: '0'.repeat(64) }), /SHA-256 is/],
  ['a hash that is none', (at) => at.manifest({ sha256: 'any' }), /cannot be read/],
  ['another platform', (at) => at.manifest({ target: 'linux-mips' }), /for linux-mips/],
  ['a key too many', (at) => at.manifest({ path: '/tmp/other' }), /cannot be read/],
  ['no JSON', (at) => writeFileSync(join(at.folder, 'launcher.json'), '{'), /cannot be read/],
  ['no program', (at) => rmSync(at.program), /not there/],
  ['a program that everybody may write', (at) => chmodSync(at.program, 0o777), /everybody/],
];

for (const [name, spoil, message] of spoiled) {
  test(`refused, and nothing else is taken instead: ${name}`, () => {
    using at = installation();
    spoil(at);
    // A launcher that was built here does not step in for a released one that was changed.
    const built = join(at.startAt, '../native/launcher/build');
    mkdirSync(built, { recursive: true });
    writeFileSync(join(built, 'caisson-launcher'), '#!/bin/sh\n', { mode: 0o755 });
    assert.throws(
      () => locateLauncher(at.startAt),
      (error) => {
        assert.ok(isCaissonError(error), String(error));
        assert.equal(error.code, 'LAUNCHER_UNTRUSTED');
        assert.match(error.message, message);
        assert.match(error.hint ?? '', /npm ci/);
        return true;
      },
    );
    assert.equal(existsSync(at.witness), false, 'it was not started');
  });
}

test('without a package and without a build there is none', () => {
  using at = installation();
  rmSync(at.folder, { recursive: true });
  assert.throws(
    () => locateLauncher(at.startAt),
    (error) => isCaissonError(error) && error.code === 'LAUNCHER_MISSING',
  );
});
