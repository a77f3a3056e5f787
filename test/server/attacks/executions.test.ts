/** A tenant that has everything evaluated at once, each under a policy of its own: each of those has hosts of its own. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { processTree } from '../../../bench/process-tree.ts';
import { GuestSocket } from '../guest-socket.ts';
import { type Served, served } from '../served.ts';

const AT_ONCE = 4;
const ASKED = 40;
const ALONE = {
  version: 1,
  level: 'moderate',
  filesystem: { workspace: 'none', read: [], write: [] },
};

describe('executions of one tenant', () => {
  let service: Served;
  let key: string;

  before(async () => {
    service = await served({
      tenants: { acme: { quotas: { concurrency: AT_ONCE, waiting: ASKED } }, globex: {} },
      audit: { enabled: false },
    });
    key = await service.key('developer');
  });
  after(async () => {
    await service[Symbol.asyncDispose]();
  });

  /** Below this process, as the host sees them. */
  const descendants = (): number => processTree(process.pid).length - 1;

  test('start no more hosts than it may have sandboxes; the rest waits, and too much is refused', async () => {
    const evaluate = (i: number) =>
      service.ask('POST', '/api/evaluations', {
        key,
        body: {
          language: 'javascript',
          policy: { ...ALONE, environment: { set: { N: String(i) } } },
          // The first ones last until all have been asked for, however long that takes here.
          source: `export default () => { const t = Date.now(); while (Date.now() - t < ${i < 2 * AT_ONCE ? 2500 : 100}); }`,
          args: [],
        },
      });
    const before = descendants();
    let isOver = false;
    let most = 0;
    const watching = (async () => {
      while (!isOver) {
        most = Math.max(most, descendants() - before);
        await sleep(50);
      }
    })();
    const answers = await Promise.all(
      Array.from({ length: ASKED + 3 * AT_ONCE }, (_, i) => evaluate(i)),
    );
    isOver = true;
    await watching;
    const refused = answers.filter(({ status }) => status === 429);
    assert.equal(refused.length, 2 * AT_ONCE);
    for (const { text } of refused) assert.match(text, /QUOTA_EXCEEDED/);
    assert.ok(answers.filter(({ status }) => status === 200).length === ASKED + AT_ONCE);
    assert.ok(most > 0 && most < 300, `${most} processes`);
  });
});

test('streams and WebSockets run no more than the rate of executions allows', async () => {
  const executions = { perSecond: 0.001, burst: 2 };
  await using service = await served({
    tenants: { acme: { rateLimits: { executions } } },
    audit: { enabled: false },
  });
  const key = await service.key('developer');
  const body = { argv: ['true'] };
  const first = await service.ask('POST', '/api/runs/stream', { key, body });
  assert.equal(first.status, 200, first.text);
  const guest = await GuestSocket.open(service.address, '/api/runs/spawn', key);
  guest.say({ argv: ['true'] });
  assert.equal((await guest.event('outcome')).outcome.code, 0);
  for (const path of ['/api/runs/stream', '/api/runs']) {
    const { status, text } = await service.ask('POST', path, { key, body });
    assert.equal(status, 429, text);
  }
  await assert.rejects(GuestSocket.open(service.address, '/api/runs/spawn', key), /429/);
});
