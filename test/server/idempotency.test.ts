/** Requests that are done once: sent again, sent at the same time, sent with something else, sent long after. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { WireOutcome } from '../../src/api/outcome.ts';
import { type Served, served } from './served.ts';

const KEEP_MS = 1000;

describe('an idempotency key', () => {
  let service: Served;
  let key: string;
  let sandbox: string;

  before(async () => {
    service = await served();
    key = await service.key('developer');
    const made = await service.ask('POST', '/api/sandboxes', {
      key,
      body: { policy: 'moderate', workspace: 'private' },
    });
    sandbox = (made.body as { id: string }).id;
  });
  after(async () => {
    await service[Symbol.asyncDispose]();
  });

  const send = (name: string, script: string, by = key, path = `/api/sandboxes/${sandbox}/exec`) =>
    service.ask('POST', path, {
      key: by,
      body: { argv: ['sh', '-c', script] },
      headers: { 'idempotency-key': name },
    });
  /** How often the guest did it. */
  const done = async (file: string): Promise<number> => {
    const { body } = await service.ask('POST', `/api/sandboxes/${sandbox}/exec`, {
      key,
      body: { argv: ['sh', '-c', `cat ${file} 2>/dev/null | wc -l`] },
    });
    return Number((body as WireOutcome).stdout.text);
  };

  test('does it once, and answers the same again', async () => {
    const first = await send('once', 'echo x >> once; echo $$; date +%N');
    const second = await send('once', 'echo x >> once; echo $$; date +%N');
    assert.equal(first.status, 200);
    assert.equal(second.text, first.text);
    assert.equal(first.headers.get('idempotency-replayed'), null);
    assert.equal(second.headers.get('idempotency-replayed'), 'true');
    assert.equal(await done('once'), 1);
  });

  test('with another body is refused, and does nothing', async () => {
    await send('other', 'echo x >> other');
    const differs = await send('other', 'echo x >> other; echo more');
    assert.equal(differs.status, 422, differs.text);
    assert.equal((differs.body as { code: string }).code, 'IDEMPOTENCY_MISMATCH');
    assert.equal(await done('other'), 1);
  });

  test('twice at once: one is done, the other is told so, or answered as the first', async () => {
    const script = 'echo x >> both; until [ -e go ]; do sleep 0.02; done';
    let answered = 0;
    const asked = Array.from({ length: 5 }, async () => {
      const answer = await send('both', script);
      // All others have been told: it may end.
      if (++answered === 4) await send('to-go-on', 'touch go');
      return answer;
    });
    const answers = await Promise.all(asked);
    const statuses = answers.map(({ status }) => status).sort();
    assert.deepEqual(statuses, [200, 409, 409, 409, 409]);
    for (const { status, body } of answers) {
      if (status === 409)
        assert.equal((body as { details: { state: string } }).details.state, 'running');
    }
    assert.equal(await done('both'), 1);
    assert.equal((await send('both', script)).headers.get('idempotency-replayed'), 'true');
  });

  test('a failure is kept as well; what was refused before anything was done is not', async () => {
    const path = '/api/runs';
    const body = { argv: ['no-such-program'] };
    const headers = { 'idempotency-key': 'fails' };
    const first = await service.ask('POST', path, { key, body, headers });
    const second = await service.ask('POST', path, { key, body, headers });
    assert.deepEqual([first.status, second.status], [400, 400]);
    assert.equal(second.headers.get('idempotency-replayed'), 'true');
    const refused = { argv: ['true'], policy: 'no-such-policy' };
    for (let i = 0; i < 2; i++) {
      const answer = await service.ask('POST', path, {
        key,
        body: refused,
        headers: { 'idempotency-key': 'refused' },
      });
      assert.ok(answer.status >= 400 && answer.status < 500, answer.text);
      assert.equal(answer.headers.get('idempotency-replayed'), null);
    }
  });

  test('is of one tenant, and of one route', async () => {
    const others = await service.key('developer', 'globex');
    const mine = await send('mine', 'echo mine', key, '/api/runs');
    const theirs = await send('mine', 'echo theirs', others, '/api/runs');
    assert.equal((mine.body as WireOutcome).stdout.text, 'mine\n');
    assert.equal((theirs.body as WireOutcome).stdout.text, 'theirs\n');
    assert.equal((await send('mine', 'echo elsewhere')).status, 200);
  });

  test('is forgotten when its time is over', async () => {
    await using other = await served({ retention: { idempotencyMs: `${KEEP_MS}ms` } });
    const own = await other.key('developer');
    const sendOld = () =>
      other.ask('POST', '/api/runs', {
        key: own,
        body: { argv: ['date', '+%s%N'] },
        headers: { 'idempotency-key': 'old' },
      });
    const first = await sendOld();
    assert.equal(first.status, 200, first.text);
    await sleep(KEEP_MS + 200);
    const again = await sendOld();
    assert.equal(again.headers.get('idempotency-replayed'), null);
    const printed = ({ body }: { body: unknown }) => (body as WireOutcome).stdout.text;
    assert.notEqual(printed(again), printed(first));
  });

  test('that is none is refused', async () => {
    for (const wrong of ['', ' ', 'é', 'a b', 'x'.repeat(256)]) {
      const { status } = await service
        .ask('POST', '/api/runs', {
          key,
          body: { argv: ['true'] },
          headers: { 'idempotency-key': wrong },
        })
        .catch(() => ({ status: 400 }));
      assert.equal(status, 400, JSON.stringify(wrong));
    }
  });
});
