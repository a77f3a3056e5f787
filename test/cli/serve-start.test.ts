/** What `caisson serve` says when it stands: where, and what to type while nobody could ask it for anything. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';

const CAISSON = join(import.meta.dirname, '../../bin/caisson');
const state = mkdtempSync(join(tmpdir(), 'caisson-start-'));
after(() => rmSync(state, { recursive: true, force: true }));

async function started(...flags: string[]): Promise<{ stdout: string; stderr: string }> {
  const set = ['--set', 'listen.port=0', '--set', 'audit.enabled=false', ...flags];
  const child = spawn(CAISSON, ['serve', '--state', state, ...set]);
  const said = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk) => {
    said.stdout += chunk;
    // What it says on the way comes before it hears of this.
    child.kill('SIGTERM');
  });
  child.stderr.on('data', (chunk) => {
    said.stderr += chunk;
  });
  await once(child, 'close');
  return said;
}

test('without a key it says how to make one, with one it does not', async () => {
  const first = await started();
  assert.match(first.stdout, /^caisson serves at http:\/\/127\.0\.0\.1:\d+\n$/);
  const [hint = ''] = first.stderr.split('\n');
  const commands = /caisson (access [^,]*), then caisson (access .*)$/.exec(hint)?.slice(1) ?? [];
  assert.equal(commands.length, 2, first.stderr);
  for (const command of commands) {
    const argv = command.replace('NAME', 'acme').split(' ');
    const { status, stderr } = spawnSync(CAISSON, [...argv, '--state', state], {
      encoding: 'utf8',
    });
    assert.equal(status, 0, stderr);
  }
  assert.doesNotMatch((await started()).stderr, /nobody has a key/);
});
