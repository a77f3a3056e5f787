/** What the launcher finds on this host, asked without its protocol. */
import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { LauncherClient } from '../../src/launcher/client.ts';
import { locateLauncher } from '../../src/launcher/locate.ts';
import { readFacts } from '../../src/launcher/read-facts.ts';

const directory = mkdtempSync(join(tmpdir(), 'caisson-facts-'));
after(() => rmSync(directory, { recursive: true, force: true }));

test('it finds what it says over its protocol', async () => {
  const { path } = locateLauncher();
  const { kernel, architecture, userNamespaceErrno } = await readFacts(path);
  await using client = new LauncherClient(path);
  const told = await client.probe();
  assert.deepEqual(
    [kernel, architecture, userNamespaceErrno],
    [told.kernel, told.architecture, told.userNamespaceErrno],
  );
});

test('what it said last is told where it fails, also where it is not there', async () => {
  const program = join(directory, 'launcher');
  writeFileSync(program, '#!/bin/sh\necho "caisson-launcher: no /proc" >&2\nexit 71\n');
  chmodSync(program, 0o755);
  await assert.rejects(readFacts(program), {
    code: 'LAUNCHER_FAILED',
    message: 'the launcher cannot look at this host: no /proc',
  });
  await assert.rejects(readFacts(join(directory, 'missing')), { code: 'LAUNCHER_FAILED' });
});
