import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { test } from 'node:test';
import { decode, encode, type Packet, type RecordType } from 'dns-packet';
import fc from 'fast-check';
import type { Ask } from '../../src/network/questions.ts';
import { ResolverServer } from '../../src/network/resolver.ts';
import type { NetworkPolicy } from '../../src/policy/policy.ts';
import { openDnsServer } from './dns-server.ts';
import { filtered, openJudge } from './judge-parts.ts';

const ZONE = {
  'pypi.org': ['203.0.113.1', '2606:4700::1'],
  'inside.example.org': ['10.0.0.5', '169.254.169.254', '127.0.0.1'],
  'mixed.example.org': ['203.0.113.7', '192.168.1.1'],
  'mapped.example.org': ['::ffff:10.0.0.1'],
};

async function open(policy: NetworkPolicy, ask?: Ask) {
  const upstream = await openDnsServer(ZONE);
  const { judge, reported, resolver } = openJudge(policy, upstream.address, ask);
  const udp = createSocket('udp4').bind(0, '127.0.0.1');
  const tcp = createServer().listen(0, '127.0.0.1');
  await Promise.all([once(udp, 'listening'), once(tcp, 'listening')]);
  const server = new ResolverServer(judge, { udp, tcp });
  const { port } = udp.address();
  const send = async (bytes: Buffer, waitMs = 5000): Promise<Buffer | undefined> => {
    const socket = createSocket('udp4');
    socket.send(bytes, port, '127.0.0.1');
    const answered = await Promise.race([
      once(socket, 'message').then(([message]) => message as Buffer),
      new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), waitMs)),
    ]);
    socket.close();
    return answered;
  };
  const ask1 = async (name: string, type: RecordType = 'A', more: Partial<Packet> = {}) => {
    const id = 4711;
    const questions = [{ name, type, class: 'IN' as const }];
    const bytes = encode({ type: 'query', id, flags: 0x100, questions, ...more });
    const answer = decode((await send(bytes)) ?? Buffer.alloc(0));
    const addresses = (answer.answers ?? []).map((one) => (one as { data: string }).data);
    const code = (answer as unknown as { rcode: string }).rcode;
    return { id: answer.id, code, addresses, answer };
  };
  return {
    upstream,
    judge,
    reported,
    send,
    ask: ask1,
    tcpPort: (tcp.address() as { port: number }).port,
    [Symbol.asyncDispose]: async () => {
      server.close();
      resolver.close();
      await upstream[Symbol.asyncDispose]();
    },
  };
}

test('an allowed name is answered with its addresses of both families', async () => {
  await using dns = await open(filtered(['pypi.org']));
  assert.deepEqual((await dns.ask('pypi.org')).addresses, ['203.0.113.1']);
  assert.deepEqual((await dns.ask('PyPI.org', 'AAAA')).addresses, ['2606:4700::1']);
  assert.equal((await dns.ask('pypi.org')).id, 4711);
  assert.deepEqual(dns.upstream.asked, ['A pypi.org', 'AAAA pypi.org'], 'kept while valid');
});

test('a name that no rule allows is refused, told, and never asked for outside', async () => {
  await using dns = await open(filtered(['pypi.org', '*.example.org'], ['bad.example.org:*']));
  const names = [
    'c2VjcmV0.evil.example',
    'example.org',
    'bad.example.org',
    'pypi.org.evil.example',
  ];
  for (const name of names) {
    for (const type of ['A', 'AAAA', 'TXT', 'NULL', 'MX'] as const) {
      assert.equal((await dns.ask(name, type)).code, 'REFUSED', `${type} ${name}`);
    }
  }
  assert.deepEqual(dns.upstream.asked, []);
  assert.match(dns.reported[0]?.reason ?? '', /add `allow: \["c2VjcmV0.evil.example"\]`/i);
  assert.deepEqual(new Set(dns.reported.map((each) => each.allowed)), new Set([false]));
  assert.match(dns.reported.at(-1)?.reason ?? '', /not allowed/);
});

test('of an allowed name addresses alone are answered: no TXT, no keys for encrypted hellos', async () => {
  await using dns = await open(filtered(['pypi.org']));
  for (const type of ['TXT', 'HTTPS', 'SVCB', 'MX', 'NS', 'SRV', 'CAA', 'ANY', 'NULL'] as const) {
    const { code, answer } = await dns.ask('pypi.org', type as RecordType);
    assert.equal(code, 'NOERROR', type);
    assert.deepEqual(answer.answers, [], type);
  }
  assert.equal((await dns.ask('1.113.0.203.in-addr.arpa', 'PTR')).code, 'REFUSED');
  assert.deepEqual(dns.upstream.asked, []);
});

test('rebinding: private, loopback and metadata addresses are left out, and told', async () => {
  await using dns = await open(filtered(['*.example.org']));
  assert.equal((await dns.ask('inside.example.org')).code, 'REFUSED');
  assert.match(dns.reported[0]?.reason ?? '', /leads to 10\.0\.0\.5, which is private/);
  assert.deepEqual((await dns.ask('mixed.example.org')).addresses, ['203.0.113.7']);
  assert.equal((await dns.ask('mapped.example.org', 'AAAA')).code, 'REFUSED');
  assert.deepEqual(dns.judge.names.namesOf('10.0.0.5'), [], 'and is nowhere remembered');
});

test('a rule for the block lets the name lead there', async () => {
  await using dns = await open(filtered(['*.example.org', '10.0.0.0/8:443']));
  assert.deepEqual((await dns.ask('inside.example.org')).addresses, ['10.0.0.5']);
});

test('what does not exist is said so; a live change holds at once', async () => {
  await using dns = await open(filtered(['nowhere.example']));
  assert.equal((await dns.ask('nowhere.example')).code, 'NXDOMAIN');
  assert.equal((await dns.ask('pypi.org')).code, 'REFUSED');
  dns.judge.update(filtered(['pypi.org']));
  assert.equal((await dns.ask('pypi.org')).code, 'NOERROR');
  assert.equal((await dns.ask('nowhere.example')).code, 'REFUSED');
});

test('localhost is the guest itself and is asked of nobody', async () => {
  await using dns = await open(filtered([]));
  assert.deepEqual((await dns.ask('localhost')).addresses, ['127.0.0.1']);
  assert.deepEqual(dns.upstream.asked, []);
});

test('tricks with names: NUL, dots inside of labels, numbers, over-long', async () => {
  await using dns = await open(filtered(['*', 'pypi.org']));
  for (const name of ['pypi.org\0.evil.example', '0x7f.1', '2130706433', '127.1', 'a..b', 'ä.de']) {
    const { code } = await dns.ask(name);
    assert.notEqual(code, 'NOERROR', name);
  }
  assert.deepEqual(dns.upstream.asked, []);
});

test('with EDNS the reason is in the answer', async () => {
  await using dns = await open(filtered(['pypi.org']));
  const opt = {
    type: 'OPT' as const,
    name: '.',
    udpPayloadSize: 4096,
    extendedRcode: 0,
    ednsVersion: 0,
    flags: 0,
    flag_do: false,
    options: [],
  };
  const { answer } = await dns.ask('evil.example', 'A', { additionals: [opt] });
  const [extra] = answer.additionals as unknown as { options: { code: number; data: Buffer }[] }[];
  assert.equal(extra?.options[0]?.code, 15);
  assert.match(String(extra?.options[0]?.data.subarray(2)), /no rule under allow/);
});

test('over TCP, split anywhere, several in one connection', async () => {
  await using dns = await open(filtered(['pypi.org']));
  const query = encode({ type: 'query', id: 7, questions: [{ name: 'pypi.org', type: 'A' }] });
  const framed = Buffer.concat([Buffer.from([0, query.length]), query]);
  const socket = connect(dns.tcpPort, '127.0.0.1');
  let answers = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    answers = Buffer.concat([answers, chunk]);
  });
  for (const byte of Buffer.concat([framed, framed])) socket.write(Buffer.of(byte));
  while (answers.length < 2 || answers.length < 2 * (2 + answers.readUInt16BE(0))) {
    await once(socket, 'data');
  }
  assert.equal(decode(answers.subarray(2)).answers?.length, 1);
  socket.destroy();
});

test('what is no query gets no answer, or its header alone; noise does no harm', async () => {
  await using dns = await open(filtered(['pypi.org']));
  const questions = [{ name: 'pypi.org', type: 'A' as const }];
  assert.equal(await dns.send(encode({ type: 'response', id: 1, questions }), 100), undefined);
  assert.equal(await dns.send(Buffer.alloc(5), 100), undefined);
  const two = await dns.send(
    encode({ type: 'query', id: 1, questions: [...questions, ...questions] }),
  );
  assert.equal((two?.[3] ?? 0) & 15, 1);
  const update = encode({ type: 'query', id: 1, flags: 5 << 11, questions });
  assert.equal(((await dns.send(update))?.[3] ?? 0) & 15, 4);
  const query = encode({ type: 'query', id: 1, questions });
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 0, max: query.length * 8 - 1 }), { minLength: 1, maxLength: 20 }),
      async (bits) => {
        const changed = Buffer.from(query);
        for (const bit of bits) changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        await dns.send(changed, 1);
      },
    ),
    { numRuns: 200 },
  );
  assert.equal((await dns.ask('pypi.org')).code, 'NOERROR');
  assert.ok(
    dns.upstream.asked.every((each) => /^(A|AAAA) pypi\.org$/.test(each)),
    'nothing else left',
  );
});

test('a flood is answered as far as the rate goes, and the rest not at all', async () => {
  await using dns = await open(filtered(['pypi.org']));
  const query = encode({ type: 'query', id: 1, questions: [{ name: 'x.example', type: 'A' }] });
  const answers = await Promise.all(Array.from({ length: 2000 }, () => dns.send(query, 1500)));
  const answered = answers.filter((each) => each !== undefined).length;
  assert.ok(answered > 0 && answered < 1700, `${answered}`);
});

test('an undecided name is asked about; a yes holds, a no and silence refuse', async () => {
  const questions: string[] = [];
  await using dns = await open(
    filtered(['nowhere.example'], ['denied.example:*']),
    async (question) => {
      questions.push(`${question.target} ${question.destination}`);
      return { allow: question.target === 'pypi.org', remember: true };
    },
  );
  assert.deepEqual((await dns.ask('pypi.org')).addresses, ['203.0.113.1']);
  assert.equal((await dns.ask('mixed.example.org')).code, 'REFUSED');
  assert.equal((await dns.ask('mixed.example.org')).code, 'REFUSED');
  assert.equal((await dns.ask('denied.example')).code, 'REFUSED');
  assert.deepEqual(questions, ['pypi.org pypi.org:*', 'mixed.example.org mixed.example.org:*']);
  assert.ok(dns.upstream.asked.every((each) => each.endsWith(' pypi.org')));
});

test('over TCP what is too long for a query ends the connection before it has come', async () => {
  await using dns = await open(filtered(['pypi.org']));
  const socket = connect(dns.tcpPort, '127.0.0.1');
  const ended = new Promise((resolve) => socket.once('close', resolve));
  socket.on('error', () => {}).resume();
  socket.write(Buffer.from([0xff, 0xff, 1]));
  await ended;
});

test('over TCP who reads his answers late gets each of them', async () => {
  await using dns = await open(filtered(['pypi.org']));
  const query = encode({ type: 'query', id: 7, questions: [{ name: 'pypi.org', type: 'TXT' }] });
  const framed = Buffer.concat([Buffer.from([0, query.length]), query]);
  const socket = connect(dns.tcpPort, '127.0.0.1').on('error', () => {});
  socket.write(framed);
  await once(socket, 'data');
  socket.pause();
  socket.write(Buffer.concat(Array.from({ length: 900 }, () => framed)));
  let bytes = 0;
  await new Promise<void>((resolve) => {
    socket.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes >= 900 * framed.length) resolve();
    });
    socket.resume();
  });
  socket.destroy();
});

test('of an answer with a hundred addresses some are kept', async () => {
  const many = Array.from({ length: 100 }, (_, at) => `203.0.113.${at + 1}`);
  await using upstream = await openDnsServer({ 'many.example': many });
  const { judge, resolver } = openJudge(filtered(['many.example']), upstream.address);
  const found = await judge.names.resolve('many.example', 4);
  assert.equal(found.kind === 'addresses' && found.addresses.length, 64);
  resolver.close();
});
