/** The launcher listens to the host's audit log while a command runs whose policy asks for it, and no longer. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { Caisson } from '../../src/index.ts';
import type { HostFacts } from '../../src/plan/facts.ts';
import { until } from '../until.ts';

const LOG_ABI = 7;
let facts: HostFacts;
let caisson: Caisson;
before(async () => {
  await using asked = await Caisson.open();
  facts = await asked.facts();
  // The log need not be on: whether somebody listens does not depend on it.
  caisson = await Caisson.open({ facts: { ...facts, auditEnabled: true, auditRead: 0 } });
});
after(() => caisson.close());

/** Members of the multicast group that reads the log, of whichever process: NETLINK_AUDIT is 9, the group 1. */
function listeners(): number {
  const rows = readFileSync('/proc/net/netlink', 'utf8').trim().split('\n').slice(1);
  return rows
    .map((row) => row.trim().split(/\s+/))
    .filter(([, protocol, , groups = '0']) => protocol === '9' && Number(`0x${groups}`) === 1)
    .length;
}

const become = (count: number): Promise<void> =>
  until(
    () => `${count} listen, and not ${listeners()}`,
    () => listeners() === count,
  );

test('of several commands the last one closes it, and the next one opens it again', async (t) => {
  if (facts.landlockAbi < LOG_ABI || facts.auditRead !== 0) {
    t.skip('the audit log is not ours to read, or this kernel logs nothing of Landlock');
    return;
  }
  const policy = { version: 1, fileRefusals: 'audit' } as const;
  const before_ = listeners();
  for (let round = 0; round < 2; round++) {
    const guests = await Promise.all([1, 2].map(() => caisson.spawn(['cat'], { policy })));
    await Promise.all(guests.map(({ started }) => started));
    await become(before_ + 1);
    guests[0]?.stdin.end();
    assert.equal((await guests[0]?.outcome)?.code, 0);
    assert.equal(listeners(), before_ + 1, 'the other one still runs');
    guests[1]?.stdin.end();
    assert.equal((await guests[1]?.outcome)?.code, 0);
    await become(before_);
  }
  const killed = await caisson.spawn(['sleep', '60'], { policy });
  await killed.started;
  await become(before_ + 1);
  killed.kill();
  await killed.outcome;
  await become(before_);
});
