/** Past the output limit a run ends, where the policy says so; else it goes on and the middle is left out. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Caisson, type PolicyDocument } from '../../src/index.ts';
import { makePlace } from '../cli/caisson.ts';

const policy = (onOutputLimit: 'kill' | 'truncate', output = '64KiB'): PolicyDocument => ({
  version: 1,
  level: 'strict',
  filesystem: { read: ['.'], write: ['.'] },
  limits: { output, onOutputLimit, timeout: '20s' },
});

for (const stream of ['stdout', 'stderr'] as const) {
  test(`${stream} past its limit: killed where the policy says kill, else cut`, async () => {
    const workspace = realpathSync(mkdtempSync(join(tmpdir(), 'caisson-output-')));
    try {
      await using caisson = await Caisson.open();
      const mark = `${50_000 + process.pid}`;
      const redirect = stream === 'stderr' ? '>&2' : '';
      const script = (seconds: number) =>
        `sleep ${mark} & echo first ${redirect}; head -c 300000 /dev/zero ${redirect}; sleep ${seconds}; echo x > after; kill %1; echo last ${redirect}`;
      const argv = ['bash', '-c', script(0.3)];
      // Long enough for whoever ends it, also on a machine that stops now and then.
      const waits = ['bash', '-c', script(10)];
      const killed = await caisson.run(waits, { policy: policy('kill'), workspace });
      assert.equal(killed.kind, 'output-limit');
      assert.deepEqual(killed.limitsHit, ['output']);
      assert.match(killed[stream].text, /^first\n/, 'what came before is kept');
      assert.ok(Buffer.byteLength(killed[stream].text) <= 66_000);
      assert.equal(existsSync(join(workspace, 'after')), false, 'it did not go on');
      assert.equal(spawnSync('pgrep', ['-f', `^sleep ${mark}$`]).status, 1, 'nothing is left');

      const cut = await caisson.run(argv, { policy: policy('truncate'), workspace });
      assert.deepEqual([cut.kind, cut.code, cut.limitsHit], ['exited', 0, ['output']]);
      assert.match(cut[stream].text, /^first\n[\s\S]*last\n$/);
      assert.equal(existsSync(join(workspace, 'after')), true);

      const fits = await caisson.run(argv, { policy: policy('kill', '1MiB'), workspace });
      assert.deepEqual([fits.kind, fits.code, fits.limitsHit], ['exited', 0, []]);
    } finally {
      rmSync(workspace, { recursive: true });
    }
  });
}

test('the command line: its exit code, and the same where the output is passed on', () => {
  using place = makePlace();
  writeFileSync(
    join(place.work, 'p.yaml'),
    'version: 1\nlevel: strict\nlimits: {output: 64KiB, onOutputLimit: kill, timeout: 20s}\n',
  );
  for (let i = 0; i < 2; i++) {
    const run = place.caisson(['run', '--policy', 'p.yaml', '--', 'sh', '-c', 'yes; echo after']);
    assert.equal(run.status, 123, run.stderr);
    assert.doesNotMatch(run.stdout, /after/);
    assert.match(run.stderr, /output/);
  }
});
