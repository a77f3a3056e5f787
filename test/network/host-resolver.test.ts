import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import { HostResolver } from '../../src/network/host-resolver.ts';
import { NameServers } from '../../src/network/name-servers.ts';
import { givenNameServers, type NameServerSettings } from '../../src/network/resolv-conf.ts';
import { until } from '../until.ts';
import { openScriptedNameServer, type Query } from './scripted-name-server.ts';

const RIGHT = '203.0.113.1';
const FALSE = '198.51.100.66';

async function open(script: (query: Query) => void, more: { tcp?: boolean } = {}) {
  const server = await openScriptedNameServer(script, more);
  const resolver = new HostResolver([server.address]);
  return {
    server,
    resolver,
    [Symbol.asyncDispose]: async () => {
      resolver.close();
      await server[Symbol.asyncDispose]();
    },
  };
}

/** Settings whose time-out a test can wait for. */
function quick(servers: readonly string[], more: Partial<NameServerSettings> = {}) {
  const settings = { ...givenNameServers(servers), timeoutMs: 1000, attempts: 2, ...more };
  return new NameServers(() => settings);
}

function addressesOf(resolution: Awaited<ReturnType<HostResolver['lookUp']>>): readonly string[] {
  assert.equal(resolution.kind, 'addresses', JSON.stringify(resolution));
  return resolution.addresses.map(({ address }) => address);
}

test('both families at once, over one socket, kept while valid', async () => {
  const ports = new Set<number>();
  await using dns = await open(({ packet, port, reply }) => {
    ports.add(port);
    reply(packet.questions?.[0]?.type === 'A' ? [RIGHT] : ['2001:db8::1']);
  });
  const [four, six] = await Promise.all([
    dns.resolver.lookUp('a.example', 4),
    dns.resolver.lookUp('a.example', 6),
  ]);
  assert.deepEqual([addressesOf(four), addressesOf(six)], [[RIGHT], ['2001:db8::1']]);
  assert.deepEqual(addressesOf(await dns.resolver.lookUp('a.example', 4)), [RIGHT]);
  assert.equal(dns.server.asked.length, 2);
  assert.equal(ports.size, 1);
});

test('aliases are followed to the addresses, and live no longer than the shortest of them', async () => {
  const alias = (name: string, data: string, ttl: number) => ({
    name,
    type: 'CNAME' as const,
    ttl,
    data,
  });
  const address = (name: string, data: string) => ({ name, type: 'A' as const, ttl: 300, data });
  await using dns = await open(({ name, reply }) =>
    reply([], {
      answers:
        name === 'loop.example'
          ? [alias('loop.example', 'b.example', 60), alias('b.example', 'loop.example', 60)]
          : [
              address('c.example', RIGHT),
              address('elsewhere.example', FALSE),
              alias('b.example', 'C.example', 20),
              alias('A.example', 'b.example', 60),
            ],
    }),
  );
  const found = await dns.resolver.lookUp('a.example', 4);
  assert.deepEqual(found, {
    kind: 'addresses',
    addresses: [{ address: RIGHT, ttlSeconds: 20 }],
  });
  assert.deepEqual(addressesOf(await dns.resolver.lookUp('loop.example', 4)), []);
});

test('no such name, no address, no answer: three things', async () => {
  const codes: Record<string, number> = { 'absent.x': 3, 'empty.x': 0, 'failed.x': 2, 'no.x': 5 };
  await using dns = await open(({ name, reply }) =>
    reply([], { flags: 0x8180 | (codes[name] ?? 0) }),
  );
  const kinds: string[] = [];
  for (const name of Object.keys(codes)) {
    const found = await dns.resolver.lookUp(name, 4);
    kinds.push(found.kind === 'failed' ? found.reason : found.kind);
  }
  assert.deepEqual(kinds, [
    'absent',
    'addresses',
    "the host's name servers gave no answer (SERVFAIL)",
    "the host's name servers gave no answer (REFUSED)",
  ]);
  assert.equal(dns.server.asked.length, 4, 'a server that says no is not asked again');
});

test('a false answer with a wrong id is seen, and the question asked over TCP', async () => {
  await using dns = await open(({ over, packet, reply }) => {
    if (over === 'udp') for (let i = 1; i < 50; i++) reply([FALSE], { id: (packet.id ?? 0) ^ i });
    reply([RIGHT]);
  });
  assert.deepEqual(addressesOf(await dns.resolver.lookUp('a.example', 4)), [RIGHT]);
  assert.deepEqual(dns.server.asked, ['udp a.example', 'tcp a.example']);
});

test('… and all that waits on that socket is; the next question has another port', async () => {
  const ports: number[] = [];
  const waiting: Query[] = [];
  await using dns = await open((query) => {
    if (query.over === 'tcp') return query.reply([RIGHT]);
    ports.push(query.port);
    if (query.name === 'later.example') return query.reply([RIGHT]);
    waiting.push(query);
    if (waiting.length < 3) return;
    const used = new Set(waiting.map(({ packet }) => packet.id));
    let id = 0;
    while (used.has(id)) id++;
    query.reply([FALSE], { id });
    for (const each of waiting) each.reply([FALSE]);
  });
  const found = await Promise.all(
    ['a', 'b', 'c'].map((name) => dns.resolver.lookUp(`${name}.example`, 4)),
  );
  assert.deepEqual(found.map(addressesOf), [[RIGHT], [RIGHT], [RIGHT]]);
  await dns.resolver.lookUp('later.example', 4);
  assert.equal(new Set(ports.slice(0, 3)).size, 1);
  assert.notEqual(ports[3], ports[0]);
});

test('an answer to another question under the right id is none', async () => {
  const others: Parameters<Query['reply']>[1][] = [
    { questions: [{ name: 'b.example', type: 'A' }] },
    { questions: [{ name: 'a.example', type: 'AAAA' }] },
    { questions: [{ name: 'a.example', type: 'A', class: 'CH' }] },
    { questions: [] },
    {
      questions: [
        { name: 'a.example', type: 'A' },
        { name: 'a.example', type: 'A' },
      ],
    },
    { type: 'query' },
  ];
  for (const other of others) {
    await using dns = await open(({ over, reply }) =>
      reply(over === 'udp' ? [FALSE] : [RIGHT], over === 'udp' ? other : {}),
    );
    assert.deepEqual(addressesOf(await dns.resolver.lookUp('a.example', 4)), [RIGHT]);
  }
});

test('who is not the server is not heard, whatever it knows', async () => {
  const forger = createSocket('udp4').bind(0, '127.0.0.1');
  await once(forger, 'listening');
  await using dns = await open(async ({ over, bytes, port, reply }) => {
    assert.equal(over, 'udp');
    const forged = Buffer.from(bytes);
    forged.writeUInt16BE(0x8183, 2);
    forger.send(forged, port, '127.0.0.1');
    setTimeout(() => reply([RIGHT]), 50);
  });
  assert.deepEqual(addressesOf(await dns.resolver.lookUp('a.example', 4)), [RIGHT]);
  assert.deepEqual(dns.server.asked, ['udp a.example']);
  forger.close();
});

test('answers that come twice, or after the time is up, do no harm', async () => {
  const late: Query[] = [];
  await using server = await openScriptedNameServer((query) => {
    if (query.name === 'slow.example' && late.push(query) === 1) return;
    query.reply([RIGHT]);
    query.reply([RIGHT]);
    for (const each of late.splice(0)) each.reply([FALSE]);
  });
  const servers = quick([server.address]);
  assert.deepEqual(addressesOf(await servers.ask({ name: 'slow.example', family: 4 })), [RIGHT]);
  assert.deepEqual(addressesOf(await servers.ask({ name: 'b.example', family: 4 })), [RIGHT]);
  assert.deepEqual(addressesOf(await servers.ask({ name: 'c.example', family: 4 })), [RIGHT]);
  assert.deepEqual(
    server.asked.filter((each) => each.startsWith('tcp')),
    [],
  );
  servers.close();
});

test('what does not fit comes over TCP, more addresses than are kept included', async () => {
  const many = Array.from({ length: 200 }, (_, i) => `203.0.113.${i}`);
  await using dns = await open(({ over, packet, reply }) => {
    assert.equal(packet.additionals?.some(({ type }) => type === 'OPT') ?? false, over === 'udp');
    reply(over === 'udp' ? [] : many, over === 'udp' ? { flags: 0x8380 } : {});
  });
  assert.deepEqual(addressesOf(await dns.resolver.lookUp('a.example', 4)), many.slice(0, 64));
});

test('truncated, and nobody listens on TCP: the next server', async () => {
  await using first = await openScriptedNameServer(
    ({ reply }) => reply([FALSE], { flags: 0x8380 }),
    {
      tcp: false,
    },
  );
  await using second = await openScriptedNameServer(({ reply }) => reply([RIGHT]));
  const resolver = new HostResolver([first.address, second.address]);
  assert.deepEqual(addressesOf(await resolver.lookUp('a.example', 4)), [RIGHT]);
  resolver.close();
});

test('a server without EDNS is asked without it from then on', async () => {
  await using dns = await open(({ packet, bytes, send, reply }) => {
    if ((packet.additionals ?? []).length === 0) return reply([RIGHT]);
    const header = Buffer.alloc(12);
    bytes.copy(header, 0, 0, 2);
    header.writeUInt16BE(0x8181, 2);
    send(header);
  });
  assert.deepEqual(addressesOf(await dns.resolver.lookUp('a.example', 4)), [RIGHT]);
  assert.deepEqual(addressesOf(await dns.resolver.lookUp('b.example', 4)), [RIGHT]);
  assert.deepEqual(dns.server.asked, ['udp a.example', 'udp a.example', 'udp b.example']);
});

test('garbage over both transports ends in a reason, and a later name is answered', async () => {
  await using dns = await open(({ name, over, bytes, send, reply }) => {
    if (name === 'good.example') return reply([RIGHT]);
    const noise = randomBytes(200);
    // Under the right id: what follows it is what cannot be read.
    bytes.copy(noise, 0, 0, 2);
    noise[2] = 0x81;
    noise[3] = 0x80;
    send(name === 'short.example' ? Buffer.alloc(over === 'udp' ? 0 : 1) : noise);
  });
  for (const name of ['bad.example', 'short.example']) {
    const found = await dns.resolver.lookUp(name, 4);
    assert.equal(found.kind, 'failed');
  }
  assert.deepEqual(addressesOf(await dns.resolver.lookUp('good.example', 4)), [RIGHT]);
});

test('a server that is gone, or fails, or is silent: the next, which is asked first from then on', async () => {
  const gone = await openScriptedNameServer(() => {});
  await gone[Symbol.asyncDispose]();
  await using failing = await openScriptedNameServer(({ reply }) => reply([], { flags: 0x8182 }));
  await using silent = await openScriptedNameServer(() => {});
  await using good = await openScriptedNameServer(({ reply }) => reply([RIGHT]));
  for (const first of [gone, failing, silent]) {
    const servers = quick([first.address, good.address]);
    assert.deepEqual(addressesOf(await servers.ask({ name: 'a.example', family: 4 })), [RIGHT]);
    const before = first.asked.length;
    assert.deepEqual(addressesOf(await servers.ask({ name: 'b.example', family: 4 })), [RIGHT]);
    assert.equal(first.asked.length, before + (first === failing ? 1 : 0));
    servers.close();
  }
  const alone = quick([gone.address]);
  assert.deepEqual(await alone.ask({ name: 'a.example', family: 4 }), {
    kind: 'failed',
    reason: "the host's name servers gave no answer (ECONNREFUSED)",
  });
  const nobody = quick([silent.address]);
  assert.deepEqual(await nobody.ask({ name: 'a.example', family: 4 }), {
    kind: 'failed',
    reason: "the host's name servers gave no answer (ETIMEOUT)",
  });
});

test('rotate begins with another server each time', async () => {
  await using a = await openScriptedNameServer(({ reply }) => reply([RIGHT]));
  await using b = await openScriptedNameServer(({ reply }) => reply([RIGHT]));
  const servers = quick([a.address, b.address], { rotate: true });
  for (const name of ['a.x', 'b.x', 'c.x', 'd.x']) await servers.ask({ name, family: 4 });
  assert.deepEqual([a.asked.length, b.asked.length], [2, 2]);
  servers.close();
});

test('other servers hold from the next name on; who was asked may still answer', async () => {
  let settings: NameServerSettings;
  const waiting: Query[] = [];
  await using old = await openScriptedNameServer((query) => void waiting.push(query));
  await using next = await openScriptedNameServer(({ reply }) => reply([FALSE]));
  settings = givenNameServers([old.address]);
  const servers = new NameServers(() => settings);
  const early = servers.ask({ name: 'a.example', family: 4 });
  settings = givenNameServers([next.address]);
  assert.deepEqual(addressesOf(await servers.ask({ name: 'b.example', family: 4 })), [FALSE]);
  waiting[0]?.reply([RIGHT]);
  assert.deepEqual(addressesOf(await early), [RIGHT]);
  servers.close();
});

test('a port serves a hundred questions; ids do not repeat on it', async () => {
  const ids = new Map<number, number[]>();
  await using dns = await open(({ packet, port, reply }) => {
    ids.set(port, [...(ids.get(port) ?? []), packet.id ?? 0]);
    reply([RIGHT]);
  });
  for (let i = 0; i < 250; i++) await dns.resolver.lookUp(`n${i}.example`, 4);
  const served = [...ids.values()];
  assert.deepEqual(
    served.map(({ length }) => length),
    [100, 100, 50],
  );
  for (const each of served) assert.equal(new Set(each).size, each.length);
  // Drawn, not counted: among a hundred of 65,536 hardly two follow each other.
  const [first = []] = served;
  const steps = first.filter((id, i) => id === (first[i - 1] ?? 0) + 1).length;
  assert.ok(steps < 5, `${steps}`);
});

test('a flood of questions is bounded; the same question waits for the one answer', async () => {
  const waiting: Query[] = [];
  await using dns = await open((query) => void waiting.push(query));
  const same = Promise.all(Array.from({ length: 50 }, () => dns.resolver.lookUp('same.x', 4)));
  const flood = Array.from({ length: 2000 }, (_, i) => dns.resolver.lookUp(`n${i}.x`, 4));
  const refused = await Promise.race(flood.slice(-1));
  assert.deepEqual(refused, { kind: 'failed', reason: 'too many names are being looked up' });
  await until('128 questions are asked', () => waiting.length >= 128);
  for (const { reply } of waiting) reply([RIGHT]);
  const found = await Promise.all(flood);
  assert.equal(found.filter(({ kind }) => kind === 'addresses').length, 127);
  assert.equal(
    (await same).every(({ kind }) => kind === 'addresses'),
    true,
  );
  assert.equal(waiting.length, 128);
});

test('closed: what waits ends', async () => {
  await using dns = await open(() => {});
  const waiting = dns.resolver.lookUp('a.example', 4);
  await new Promise((resolve) => setTimeout(resolve, 20));
  dns.resolver.close();
  assert.deepEqual(await waiting, {
    kind: 'failed',
    reason: "the host's name servers gave no answer (ECANCELLED)",
  });
});

test('what is no address of a server is refused', () => {
  for (const text of [
    '',
    'dns.example',
    '1.2.3',
    '1.2.3.4:0',
    '1.2.3.4:65536',
    '[1.2.3.4',
    '::1:x',
  ]) {
    assert.throws(() => new HostResolver([text]), { code: 'REQUEST_INVALID' }, text);
  }
});
