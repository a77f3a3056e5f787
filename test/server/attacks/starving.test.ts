/** A tenant that asks for what is dear, many times at once: who else asks is answered in between, and threads and ports are few. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { processTree } from '../../../bench/process-tree.ts';
import type { ObservedEvent } from '../../../src/core/ports.ts';
import { until } from '../../until.ts';
import { type Served, served } from '../served.ts';

describe('what one tenant asks for many times at once', () => {
  let service: Served;
  let key: string;
  let neighbour: string;

  const events: ObservedEvent[] = [];

  before(async () => {
    service = await served(
      { tenants: { acme: {}, globex: {}, initech: { quotas: { waiting: 2 } } } },
      { observer: (event) => events.push(event) },
    );
    key = await service.key('admin');
    neighbour = await service.key('admin', 'globex');
  });
  after(async () => {
    await service[Symbol.asyncDispose]();
  });

  /** @returns how many of them were still to be answered when the neighbour had been */
  const leftBehind = async (count: number, ask: (n: number) => Promise<unknown>) => {
    let left = count;
    const all = Array.from({ length: count }, async (_, n) => {
      await ask(n);
      left -= 1;
    });
    await sleep(1);
    for (let i = 0; i < 3; i++) {
      const { status } = await service.ask('GET', '/api/policies', { key: neighbour });
      assert.equal(status, 200);
    }
    const then = left;
    await Promise.all(all);
    return then;
  };

  const run = (key: string) =>
    service.ask('POST', '/api/runs', { key, body: { argv: ['true'], policy: 'strict' } });

  test('queries of the audit log: others come between them', async () => {
    for (let i = 0; i < 10; i++) await Promise.all(Array.from({ length: 20 }, () => run(key)));
    const left = await leftBehind(60, async () => {
      const { status, text } = await service.ask('GET', '/api/audit?event=nothing', { key });
      assert.equal(status, 200, text);
    });
    assert.ok(left > 30, `${left} were still to be answered`);
  });

  test('streams of the log that begin far back come to what is new, and tell nothing of others', async () => {
    const stopping = new AbortController();
    const texts = Array.from({ length: 20 }, () => '');
    const streams = texts.map(async (_, n) => {
      const answer = await fetch(`${service.address}/api/audit/stream`, {
        headers: { authorization: `Bearer ${key}`, 'last-event-id': '0' },
        signal: stopping.signal,
      });
      for await (const chunk of answer.body as ReadableStream<Uint8Array>) {
        texts[n] += Buffer.from(chunk).toString('utf8');
      }
    });
    const ended = Promise.allSettled(streams);
    await run(neighbour);
    const { auditId } = (await run(key)).body as { auditId: string };
    await until('each is told of it', () => texts.every((text) => text.includes(auditId)));
    stopping.abort();
    await ended;
    for (const text of texts) assert.doesNotMatch(text, /"tenant":"globex"/);
  });

  test('scans: so many threads, and no more', async () => {
    const code = (n: number) =>
      Array.from({ length: 60 }, (_, i) => `const a${i} = eval("${n}" + ${i});`).join('\n');
    const threads = () => readdirSync('/proc/self/task').length;
    const atRest = threads();
    let most = 0;
    const watch = setInterval(() => {
      most = Math.max(most, threads());
    }, 5);
    const statuses = await Promise.all(
      Array.from({ length: 12 }, async (_, n) => {
        const files = Object.fromEntries(
          Array.from({ length: 6 }, (_, i) => [`${i}.js`, code(n * 10 + i)]),
        );
        return (await service.ask('POST', '/api/scan', { key, body: { files } })).status;
      }),
    );
    clearInterval(watch);
    assert.deepEqual(new Set(statuses), new Set([200]));
    assert.ok(most - atRest <= availableParallelism() + 4, `${most - atRest} threads more`);
  });

  /** Another one each, and dear to look at. */
  const dear = (n: number) =>
    `export default () => ${n};\n${Array.from({ length: 1000 }, (_, i) => `export const f${i} = (a) => { const b = [a, ${n}, ${i}]; return b.map((c) => c + ${i}); };`).join('\n')}`;

  const looks: readonly [
    string,
    (key: string, n: number) => Promise<{ status: number; text: string }>,
  ][] = [
    [
      'registrations of effects',
      (key, n) =>
        service.ask('POST', '/api/effects/register', {
          key,
          body: { id: `effect-${n}`, code: dear(n) },
        }),
    ],
    [
      'registrations of modules',
      (key, n) =>
        service.ask('POST', '/api/modules', {
          key,
          body: { id: `module-${n}`, version: '1.0.0', kind: 'js', code: dear(1000 + n) },
        }),
    ],
    [
      'evaluations that are looked at',
      (key, n) =>
        service.ask('POST', '/api/evaluations', {
          key,
          body: {
            language: 'javascript',
            policy: { version: 1, level: 'strict', admission: { scan: 'on' } },
            source: dear(2000 + n),
            args: [],
          },
        }),
    ],
  ];
  for (const [what, ask] of looks) {
    test(`${what}: another tenant's is looked at after few of them, whatever waits`, async () => {
      const ASKED = 16;
      const from = events.length;
      const theirs = Array.from({ length: ASKED }, (_, n) => ask(key, n));
      const answers = await Promise.all([...theirs, ask(neighbour, ASKED)]);
      for (const { status, text } of answers) assert.match(String(status), /^20[01]$/, text);
      const tenants = events
        .slice(from)
        .flatMap((each) => (each.kind === 'admission' ? [each.tenant] : []));
      assert.equal(tenants.length, ASKED + 1);
      // One at most is ahead of it in the line; some are done until it has come there, and while it is looked at.
      const ahead = tenants.indexOf('globex');
      assert.ok(ahead >= 0 && ahead < ASKED / 2, `after ${ahead} of ${ASKED}`);
    });
  }

  test('registrations: so many wait, and more are refused with what to do', async () => {
    const many = await service.key('admin', 'initech');
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, n) =>
        service.ask('POST', '/api/effects/register', {
          key: many,
          body: { id: `effect-${n}`, code: dear(3000 + n) },
        }),
      ),
    );
    const refused = answers.filter(({ status }) => status === 429);
    assert.ok(refused.length > 0);
    for (const { text } of refused) {
      const { code, hint, details } = JSON.parse(text).error ?? JSON.parse(text);
      assert.equal(code, 'QUOTA_EXCEEDED');
      assert.match(hint, /fewer at once/);
      assert.equal(details.limit, 2);
    }
    const others = answers.filter(({ status }) => status !== 429);
    assert.ok(others.length >= 3);
    for (const { status, text } of others) assert.equal(status, 201, text);
  });

  test('ports that are published: so many of a sandbox, however many are asked for at once', async () => {
    const policy = {
      version: 1,
      level: 'moderate',
      network: { mode: 'filtered', allow: [], listen: [8080] },
    };
    const made = await service.ask('POST', '/api/sandboxes', {
      key,
      body: { policy, workspace: 'private' },
    });
    assert.equal(made.status, 201, made.text);
    const { id } = made.body as { id: string };
    const path = `/api/sandboxes/${id}/ports`;
    const before = listening();
    const statuses = await Promise.all(
      Array.from({ length: 200 }, async () => {
        const { status } = await service.ask('POST', path, { key, body: { guestPort: 8080 } });
        return status;
      }),
    );
    const published = statuses.filter((status) => status === 201).length;
    assert.equal(published, 64);
    const { items } = (await service.ask('GET', path, { key })).body as { items: object[] };
    assert.equal(items.length, 64);
    assert.equal(listening() - before, 64);
    await service.ask('DELETE', `/api/sandboxes/${id}`, { key });
    assert.equal(listening() - before, 0);
  });
});

/** TCP sockets that listen on 127.0.0.1, of this process and those below it: others on this machine have theirs. */
function listening(): number {
  const own = new Set([process.pid, ...processTree(process.pid)].flatMap(socketsOf));
  const lines = readFileSync('/proc/self/net/tcp', 'utf8').split('\n');
  return lines.filter((line) => {
    if (!/^\s*\d+: 0100007F:[0-9A-F]{4} 00000000:0000 0A /.test(line)) return false;
    return own.has(line.trim().split(/\s+/)[9] ?? '');
  }).length;
}

/** Their inodes. */
function socketsOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? [];
      } catch {
        return [];
      }
    });
  } catch {
    // It ended meanwhile.
    return [];
  }
}
