/** A host that cannot enforce the policy of requests that name none: ready for the others, and told. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Caisson } from '../../src/compose.ts';
import type { HostFacts } from '../../src/plan/facts.ts';
import { capableHost, ordinaryUser } from '../plan/made-up-facts.ts';
import { GuestSocket } from './guest-socket.ts';
import { type Served, served } from './served.ts';

interface Problem {
  readonly code: string;
  readonly hint: string;
  readonly details: { readonly accept: readonly string[] };
}

const readiness = async (service: Served): Promise<unknown> => {
  const { status, body } = await service.ask('GET', '/readyz');
  assert.equal(status, 200);
  return body;
};

test('enforced: ready, and said so', async () => {
  await using service = await served({}, { facts: capableHost });
  const ready = { status: 'ready', defaultPolicy: 'enforced' };
  assert.deepEqual(await readiness(service), ready);
  assert.deepEqual(await readiness(service), ready, 'asked again');
});

test('refused: still ready, for what asks for something else runs', async () => {
  const { cgroup } = ordinaryUser;
  const facts: HostFacts = { ...(await factsOfThisHost()), cgroup };
  const accept = ['limits.memory:no-cgroup', 'limits.cpu:no-cgroup'];
  await using service = await served({ accept }, { facts });
  assert.deepEqual(await readiness(service), { status: 'ready', defaultPolicy: 'refused' });
  const key = await service.key('developer');
  const run = (more: object) =>
    service.ask('POST', '/api/runs', { key, body: { argv: ['true'], ...more } });
  const refused = await run({});
  assert.equal((refused.body as { code: string }).code, 'UNENFORCEABLE', refused.text);
  const accepted = await run({ accept });
  assert.equal(accepted.status, 200, accepted.text);
});

test('what the operator has not listed no request is told to accept', async () => {
  const { cgroup } = ordinaryUser;
  const facts: HostFacts = { ...(await factsOfThisHost()), cgroup };
  const ids = ['limits.memory:no-cgroup', 'limits.cpu:no-cgroup'];
  const body = { argv: ['true'] };
  for (const accept of [[], ids.slice(0, 1), ids]) {
    await using service = await served({ accept }, { facts });
    const key = await service.key('developer');
    const run = await service.ask('POST', '/api/runs', { key, body });
    const stream = await service.ask('POST', '/api/runs/stream', { key, body });
    const guest = await GuestSocket.open(service.address, '/api/runs/spawn', key);
    guest.say(body);
    const told: unknown = (await guest.event('problem')).problem;
    const event = /^event: problem\ndata: (.*)$/m.exec(stream.text)?.[1] ?? '{}';
    for (const problem of [run.body, told, JSON.parse(event)] as Problem[]) {
      assert.equal(problem.code, 'UNENFORCEABLE', JSON.stringify(problem));
      const unlisted = ids.filter((id) => !accept.includes(id));
      assert.deepEqual(problem.details.accept, unlisted.length === 0 ? ids : []);
      const operator = `the operator has to list ${unlisted.join(', ')} under accept of the configuration (--set accept=${ids.join(',')}); then send "accept": ${JSON.stringify(ids)}`;
      const goOn = unlisted.length === 0 ? `send "accept": ${JSON.stringify(ids)}` : operator;
      assert.ok(problem.hint.endsWith(`; to go on without, ${goOn}`), problem.hint);
    }
    // The hint is true.
    const { status } = await service.ask('POST', '/api/runs', {
      key,
      body: { ...body, accept: ids },
    });
    assert.equal(status, accept.length === ids.length ? 200 : 403);
  }
});

test('a policy that its own wall contradicts is refused everywhere, and told so', async () => {
  const policy = { version: 1, level: 'basic', network: { mode: 'none' } } as const;
  await using service = await served({ policy }, { facts: capableHost });
  assert.deepEqual(await readiness(service), { status: 'ready', defaultPolicy: 'refused' });
});

async function factsOfThisHost(): Promise<HostFacts> {
  await using caisson = await Caisson.open();
  return await caisson.facts();
}
