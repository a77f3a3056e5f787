/** A launcher that ends has waited for every process that it made: whoever looks after orphans gets none. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { locateLauncher } from '../../src/launcher/locate.ts';
import { encodePlan } from '../../src/launcher/protocol/encode-plan.ts';
import { frameType } from '../../src/launcher/protocol/frame.ts';
import { needs, Range, Wall } from '../escape/harness.ts';
import { RawClient } from './raw-client.ts';

/** Orphans come to it in place of init (PR_SET_CHILD_SUBREAPER(2const)); exits with how many. */
const subreaper = `
int main(int argc, char **argv) {
  prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  int launcher = fork(), orphans = 0;
  if (launcher == 0) { argv[0] = LAUNCHER; execv(argv[0], argv); _exit(127); }
  close(3);
  for (int pid; (pid = wait(NULL)) > 0;) orphans += pid != launcher;
  return orphans;
}`;

let range: Range;
let program: string;
before(() => {
  if (needs.gcc !== false) return;
  range = new Range();
  const path = JSON.stringify(locateLauncher().path);
  program = range.program('subreaper', `#define LAUNCHER ${path}\n${subreaper}`);
});
after(() => {
  if (needs.gcc === false) range[Symbol.dispose]();
});

for (const probes of [false, true]) {
  const name = probes ? 'asked what the host can' : 'never asked what the host can';
  test(name, { skip: needs.gcc, timeout: 60_000 }, async () => {
    const client = new RawClient(program);
    if (probes) client.empty(frameType.PROBE, 1);
    const of = probes ? frameType.FACTS : frameType.HELLO;
    assert.ok(await client.answer(of, probes ? 1 : 0));
    assert.equal(await client.close(), 0, 'orphans');
  });
}

test('with sandboxes that stand, wait and run', { skip: needs.gcc, timeout: 60_000 }, async () => {
  const wall = await Wall.open([program]);
  const { client } = wall;
  const { kind, job } = wall.prepare({ argv: ['/bin/sh', '-c', 'sleep 60 & wait'] });
  const { cgroup: _, ...ungrouped } = kind;
  for (const plan of [kind, ungrouped]) {
    const handle = client.preparePlan(encodePlan(plan), { slots: 2 });
    await client.openSandbox(handle, { ...job, argv: [] }).opened;
    await client.spawn(handle, { ...job, stdout: 'stream' }).started;
  }
  await client.close();
  const { isOrderly, reason } = await client.ended;
  assert.ok(isOrderly, `orphans: ${reason}`);
});
