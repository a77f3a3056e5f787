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

const SET = ['--set', 'listen.port=0', '--set', 'audit.enabled=false'];

async function started(...flags: string[]): Promise<{ stdout: string; stderr: string }> {
  const child = spawn(CAISSON, ['serve', '--state', state, ...SET, ...flags]);
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
    // As it is printed: for the state directory of this service.
    assert.deepEqual(argv.slice(-2), ['--state', state]);
    const { status, stderr } = spawnSync(CAISSON, argv, { encoding: 'utf8' });
    assert.equal(status, 0, stderr);
  }
  assert.doesNotMatch((await started()).stderr, /nobody has a key/);
});

test('where the host cannot enforce what requests get by default, it says so at once', async () => {
  // Of the launcher, which looks for them below /sys/fs/cgroup, they are hidden.
  const hidden = 'mount -t tmpfs none /sys/fs/cgroup && exec "$@"';
  const child = spawn(
    'unshare',
    ['-Urm', 'sh', '-c', hidden, 'sh', CAISSON, 'serve', '--state', state, ...SET],
    { env: { ...process.env, XDG_STATE_HOME: state } },
  );
  let said = '';
  child.stderr.on('data', (chunk) => {
    // A second signal would not wait.
    const before = said.includes('--set accept=');
    said += chunk;
    if (!before && said.includes('--set accept=')) child.kill('SIGTERM');
  });
  const [code] = await once(child, 'close');
  assert.match(said, /requests that name no policy are refused on this host/);
  assert.match(said, /limits\.memory:no-cgroup: /);
  assert.match(said, /--set accept=limits\.memory:no-cgroup,limits\.cpu:no-cgroup$/m);
  assert.equal(code, 0);
});
