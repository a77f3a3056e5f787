/** What a command writes, as server-sent events. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createParser, type EventSourceMessage } from 'eventsource-parser';
import { mentioning } from '../processes.ts';
import { until } from '../until.ts';
import { type Served, served } from './served.ts';

let service: Served;
let key: string;
let id: string;

before(async () => {
  service = await served({ limits: { heartbeatMs: 100 }, audit: { enabled: false } });
  key = await service.key('developer');
  const made = await service.ask('POST', '/api/sandboxes', { key, body: {} });
  ({ id } = made.body as { id: string });
});
after(async () => {
  await service[Symbol.asyncDispose]();
});

const running = (word: string): boolean => mentioning(word).length > 0;

async function post(path: string, body: unknown, signal?: AbortSignal): Promise<Response> {
  return await fetch(`${service.address}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
    ...(signal === undefined ? {} : { signal }),
  });
}

async function eventsOf(path: string, body: unknown) {
  const response = await post(path, body);
  const text = await response.text();
  assert.equal(response.status, 200, text);
  assert.match(response.headers.get('content-type') ?? '', /^text\/event-stream/);
  const events: EventSourceMessage[] = [];
  const comments: string[] = [];
  createParser({
    onEvent: (event) => events.push(event),
    onComment: (comment) => comments.push(comment),
  }).feed(text);
  const read = events.map(({ event, data }) => ({ event, data: JSON.parse(data) }));
  const written = (name: string) =>
    Buffer.concat(
      read
        .filter(({ event }) => event === name)
        .map(({ data }) =>
          'text' in data ? Buffer.from(data.text) : Buffer.from(data.base64, 'base64'),
        ),
    );
  return { events: read, comments, written };
}

test('output in pieces, and the outcome last', async () => {
  const { events, written } = await eventsOf(`/api/sandboxes/${id}/stream`, {
    argv: ['sh', '-c', 'cat; echo err >&2; exit 5'],
    input: 'grüße\n',
  });
  assert.equal(events[0]?.event, 'started');
  assert.ok(Number(events[0]?.data.pid) > 1);
  assert.equal(String(written('stdout')), 'grüße\n');
  assert.equal(String(written('stderr')), 'err\n');
  assert.deepEqual([events.at(-1)?.event, events.at(-1)?.data.code], ['outcome', 5]);
});

test('a character that comes in two pieces is one; what is no UTF-8 comes as bytes', async () => {
  // Each piece is written when the one before it has come.
  const after = (name: string) => `until [ -e ${name} ]; do sleep 0.02; done;`;
  const script = String.raw`printf 'a\303'; ${after('/tmp/one')} printf '\244b'; ${after('/tmp/two')} printf '\377\376'`;
  const response = await post(`/api/sandboxes/${id}/stream`, { argv: ['sh', '-c', script] });
  let text = '';
  const next = ['/tmp/one', '/tmp/two'];
  for await (const chunk of response.body ?? []) {
    text += Buffer.from(chunk).toString('latin1');
    const come = (text.match(/^event: stdout$/gm) ?? []).length;
    for (const name of next.splice(0, Math.max(0, come - 2 + next.length)))
      await service.ask('POST', `/api/sandboxes/${id}/exec`, {
        key,
        body: { argv: ['touch', name] },
      });
  }
  const told = [
    ...Buffer.from(text, 'latin1')
      .toString()
      .matchAll(/^event: stdout\ndata: (.*)$/gm),
  ];
  const texts = told.map(([, data = '']) => JSON.parse(data));
  assert.deepEqual(texts, [{ text: 'a' }, { text: 'äb' }, { base64: '//4=' }]);
});

test('something comes while nothing happens', async () => {
  const { comments } = await eventsOf(`/api/sandboxes/${id}/stream`, { argv: ['sleep', '2'] });
  assert.ok(comments.length >= 4, `${comments.length}`);
});

test('one in a sandbox of its own', async () => {
  const { events, written } = await eventsOf('/api/runs/stream', {
    argv: ['sh', '-c', 'echo x > f; ls'],
    policy: 'moderate',
    workspace: 'private',
  });
  assert.ok(events[0]?.data.id);
  assert.equal(String(written('stdout')), 'f\n');
  const workspaces = () => readdirSync(`${service.state}/workspaces`);
  await until('its workspace is gone', () => workspaces().length === 0);
});

test('what goes wrong at the start is the last event', async () => {
  const { events } = await eventsOf(`/api/sandboxes/${id}/stream`, { argv: ['nobody-has-this'] });
  assert.deepEqual(
    events.map(({ event, data }) => [event, data.code]),
    [['problem', 'COMMAND_NOT_FOUND']],
  );
});

for (const path of ['stream', 'run']) {
  test(`its client goes away: nothing is left (${path})`, async () => {
    const word = `9191${path.length}.${process.pid}`;
    const controller = new AbortController();
    const response = await post(
      path === 'run' ? '/api/runs/stream' : `/api/sandboxes/${id}/stream`,
      { argv: ['sh', '-c', `yes & exec sleep ${word}`] },
      controller.signal,
    );
    await until('it runs', () => running(word));
    await response.body?.getReader().read();
    controller.abort();
    const streams = () => service.serving.app.streams.of('acme');
    await until('nothing of it is left', () => !running(word) && streams() === 0);
  });
}

test('a reader that does not read holds the guest up', async () => {
  const controller = new AbortController();
  // It says how many of 500 megabytes it could write.
  const script =
    'i=0; while [ $i -lt 500 ]; do head -c 1000000 /dev/zero; i=$((i+1)); echo $i > /tmp/through; done';
  const response = await post(
    `/api/sandboxes/${id}/stream`,
    { argv: ['sh', '-c', script] },
    controller.signal,
  );
  assert.equal(response.status, 200);
  const through = async (): Promise<number> => {
    const body = { argv: ['cat', '/tmp/through'] };
    const ran = await service.ask('POST', `/api/sandboxes/${id}/exec`, { key, body });
    return Number((ran.body as { stdout: { text: string } }).stdout.text);
  };
  for (let before = -1, now = 0; before !== now; now = await through()) {
    assert.ok(now < 100, `${now} MB, and it goes on`);
    before = now;
    await sleep(1000);
  }
  controller.abort();
});

test('refused with a status: another tenant’s, one that is gone, a wrong body', async () => {
  const other = await service.key('developer', 'globex');
  const ask = (sandbox: string, body: unknown, who = key) =>
    service.ask('POST', `/api/sandboxes/${sandbox}/stream`, { key: who, body });
  assert.equal((await ask(id, { argv: ['true'] }, other)).status, 404);
  assert.equal((await ask('none', { argv: ['true'] })).status, 404);
  assert.equal((await ask(id, { argv: [] })).status, 400);
});
