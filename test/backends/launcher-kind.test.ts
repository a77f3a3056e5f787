/** A plan that the launcher could not take once: everything that was asked of it says why, and the next one has it taken. */
import assert from 'node:assert/strict';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { LauncherKind } from '../../src/backends/launcher-kind.ts';
import { encodePlan } from '../../src/launcher/protocol/encode-plan.ts';
import { needs, Range, ranFrom, Wall } from '../escape/harness.ts';

test('a plan of a directory that was missing for a moment', { skip: needs.root }, async () => {
  using range = new Range();
  const gone = join(range.path, 'gone');
  await using wall = await Wall.open();
  const { kind, job } = wall.prepare({ argv: ['/bin/sh', '-c', 'echo ran'] });
  const missing = { kind: 'bind', source: gone, target: '/gone', flags: ['readonly'] } as const;
  const mounts = [...kind.mounts, missing];
  const prepared = new LauncherKind(() => wall.client, encodePlan({ ...kind, mounts }), {});
  const details = { step: 'open source', errno: 'ENOENT', what: gone };
  const why = { code: 'REQUEST_INVALID', details };
  const refused = [
    assert.rejects(prepared.run(job), why),
    assert.rejects(prepared.spawn({ ...job, stdout: 'stream' }).result, why),
    assert.rejects(prepared.open({ ...job, argv: [] }).opened, why),
  ];
  await Promise.all(refused);
  mkdirSync(gone);
  assert.equal(ranFrom(await prepared.run(job)).stdout, 'ran\n');
  rmSync(gone, { recursive: true });
  await prepared.close();
});
