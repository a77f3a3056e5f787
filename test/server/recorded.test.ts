/** Nobody is told of what the audit log does not have yet. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { readLog } from '../../src/observe/audit/read-log.ts';
import { GuestSocket } from './guest-socket.ts';
import { type Served, served } from './served.ts';

let service: Served;
let key: string;
let id: string;

before(async () => {
  service = await served();
  key = await service.key('admin');
  const made = await service.ask('POST', '/api/sandboxes', { key, body: {} });
  ({ id } = made.body as { id: string });
});
after(async () => {
  await service[Symbol.asyncDispose]();
});

/** Meanwhile nothing counts as written. */
async function unwritten(told: () => boolean, asked: () => Promise<unknown>): Promise<void> {
  const audit = service.serving.service.audit as NonNullable<typeof service.serving.service.audit>;
  const gate = Promise.withResolvers<void>();
  audit.written = () => gate.promise;
  const answer = asked();
  try {
    // Longer than any of them takes.
    await sleep(700);
    assert.equal(told(), false, 'it was told before it was recorded');
  } finally {
    gate.resolve();
    // The class's own again.
    Reflect.deleteProperty(audit, 'written');
    await answer;
  }
  assert.equal(told(), true);
}

const argv = ['echo', 'on'];
const requests: Record<string, () => readonly [method: string, path: string, body?: unknown]> = {
  'a run': () => ['POST', '/api/runs', { argv }],
  'a command': () => ['POST', `/api/sandboxes/${id}/exec`, { argv }],
  'a refused command': () => ['POST', `/api/sandboxes/${id}/exec`, { argv: ['nowhere'] }],
  'a module': () => [
    'POST',
    '/api/effects/register',
    { id: 'doubling', code: 'export default (a) => a * 2' },
  ],
  'a new key': () => ['POST', '/api/access/keys', { name: 'k', roles: ['viewer'] }],
};
for (const [name, asked] of Object.entries(requests)) {
  test(`${name} is answered when it is recorded`, async () => {
    let isTold = false;
    await unwritten(
      () => isTold,
      async () => {
        const [method, path, body] = asked();
        await service.ask(method, path, { key, body });
        isTold = true;
      },
    );
  });
}

for (const [name, path] of [
  ['a run', () => '/api/runs/stream'],
  ['a command', () => `/api/sandboxes/${id}/stream`],
] as const) {
  test(`the outcome of ${name} comes as an event when it is recorded`, async () => {
    let text = '';
    await unwritten(
      () => /event: outcome/.test(text),
      async () => {
        const response = await fetch(`${service.address}${path()}`, {
          method: 'POST',
          headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
          body: JSON.stringify({ argv }),
        });
        for await (const chunk of response.body ?? []) text += Buffer.from(chunk).toString();
      },
    );
  });
}

test('the outcome of a process over a WebSocket comes when it is recorded; its output comes at once', async () => {
  const guest = await GuestSocket.open(service.address, `/api/sandboxes/${id}/spawn`, key);
  await unwritten(
    () => guest.events.some(({ type }) => type === 'outcome'),
    async () => {
      guest.say({ argv });
      await guest.until('on\n');
      await guest.closed;
    },
  );
});

test('the end of a sandbox is told when it is recorded, and the log has it then', async () => {
  const made = await service.ask('POST', '/api/sandboxes', { key, body: {} });
  const { id: other, sandbox } = made.body as { id: string; sandbox: string };
  await service.ask('DELETE', `/api/sandboxes/${other}`, { key });
  const path = service.serving.service.audit?.directory ?? '';
  const events = [...readLog(path)].filter(({ run }) => run === sandbox).map(({ event }) => event);
  assert.ok(events.includes('destroyed'), events.join());
});
