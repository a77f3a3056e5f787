/**
 * What guests do with HTTP/2, and servers with answers that nobody should send: judged by what reached the other side,
 * and by the process, which serves other sandboxes: an error that nobody caught fails these tests as it would end it.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import { request as request1 } from 'node:https';
import { connect, type Socket } from 'node:net';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import type { RequestDecision, RequestFacts } from '../../../src/network/intercept/interceptor.ts';
import { makePlaceholder } from '../../../src/network/intercept/secrets.ts';
import { until } from '../../until.ts';
import { Http2Guest, REFUSED_STREAM } from './http2-guest.ts';
import { type Request, type Response, Stand, type StandSecret } from './stand.ts';

const VALUE = 'ghp_0123456789abcdef';
const notAdmin = ({ path }: RequestFacts): RequestDecision => ({
  allowed: path !== '/admin',
  rule: 'network.deny',
  reason: `${path} is denied`,
});

function secret(): StandSecret {
  const [name, id, hosts] = ['TOKEN', 1, ['app.test']] as const;
  return { name, id, placeholder: makePlaceholder(), value: Buffer.from(VALUE), hosts };
}

/** A server that answers each request with these bytes. */
const saying =
  (bytes: string, onClose: () => void = () => {}) =>
  (_request: Request, response: Response): void => {
    const { socket } = response as { socket: Socket };
    socket.once('close', onClose);
    socket.write(bytes, 'latin1');
  };

describe('a request that is reset before its body is whole is no frame for the next one', () => {
  for (const code of [0, 5, 8]) {
    for (const answered of [false, true]) {
      const when = answered ? 'after its answer' : 'before it was sent on';
      test(`RST_STREAM with code ${code}, ${when}`, async () => {
        const token = secret();
        const bodies: string[] = [];
        await using stand = await Stand.open({
          decide: notAdmin,
          secrets: [token],
          serve: (request, response) => {
            request.on('error', () => {});
            request.on('data', (piece) => bodies.push(String(piece)));
            // Before it has read what is announced, as some do.
            (response as { end(): void }).end();
          },
        });
        const host = `${stand.name}:${stand.port}`;
        const hidden = `GET /admin HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
        const next = `POST /second HTTP/1.1\r\nHost: ${host}\r\nauthorization: ${VALUE}\r\nContent-Length: ${hidden.length}\r\nConnection: keep-alive\r\n\r\n`;
        const guest = await Http2Guest.open(stand);
        const body = answered ? 'x' : '';
        const announced = { 'content-length': String(next.length + body.length) };
        const open = { method: 'POST', ends: false } as const;
        guest.send(guest.request(1, '/first', announced, open), guest.data(1, body, false));
        if (answered) await guest.answer(1);
        else await until('it is decided upon', () => stand.decisions.length === 1);
        guest.send(guest.reset(1, code));
        await sleep(100);
        const second = {
          'content-length': String(hidden.length),
          authorization: token.placeholder,
        };
        guest.send(guest.request(3, '/second', second, open), guest.data(3, hidden, true));
        await guest.answer(3);
        const seen = stand.seen.map(({ method, url }) => `${method} ${url}`);
        assert.deepEqual(seen, answered ? ['POST /first', 'POST /second'] : ['POST /second']);
        assert.ok(!bodies.join('').includes(VALUE), 'no value in a body, which a server may show');
        guest.close();
      });
    }
  }

  test('nothing of it stays open at the server', async () => {
    let closed = false;
    await using stand = await Stand.open({
      serve: (_request, response) => {
        (response as { socket: Socket }).socket.once('close', () => {
          closed = true;
        });
      },
    });
    const guest = await Http2Guest.open(stand);
    guest.send(guest.request(1, '/slow'));
    await until('the server sees it', () => stand.seen.length === 1);
    guest.send(guest.reset(1, 8));
    await until('its connection to the server is closed', () => closed);
    guest.close();
  });
});

describe('methods', () => {
  for (const method of ['connect', 'Connect', 'trace', 'get']) {
    test(`${method} is not sent on in capitals`, async () => {
      await using stand = await Stand.open();
      const guest = await Http2Guest.open(stand);
      guest.send(guest.request(1, '/x', {}, { method }));
      await guest.answer(1);
      assert.equal(stand.dials, 0);
      assert.match(stand.refusals[0]?.reason ?? '', /no token in capitals/);
      guest.close();
    });
  }

  for (const speaks of ['http', 'tls'] as const) {
    test(`CONNECT behind a request that has not been answered ends the connection alone (${speaks})`, async () => {
      await using stand = await Stand.open({ speaks, serve: () => {} });
      const { port, name: servername, authorityPem: ca } = stand;
      const host = `${stand.name}:${port}`;
      const bytes = `GET /slow HTTP/1.1\r\nHost: ${host}\r\n\r\nCONNECT ${host} HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
      if (speaks === 'http') {
        const socket = stand.socket();
        socket.write(bytes);
        socket.resume();
        await until('the connection is ended', () => socket.destroyed);
      } else {
        const socket = connectTls({ port, host: '127.0.0.1', servername, ca });
        socket.on('error', () => {});
        socket.write(bytes);
        socket.resume();
        await until('the connection is ended', () => socket.destroyed);
      }
      assert.ok(stand.refusals.some(({ target }) => target.startsWith('CONNECT ')));
      assert.ok(stand.seen.every(({ method }) => method === 'GET'));
    });
  }
});

test('fields with line ends or NUL, in name or value, are left out of what is sent on', async () => {
  for (const more of [
    { x: 'a\r\nHost: other.test' },
    { 'x\r\nhost': 'other.test' },
    { x: 'a\0b' },
    { x: 'a\r\n\r\nGET /admin HTTP/1.1\r\nHost: app.test\r\n\r\n' },
  ]) {
    await using stand = await Stand.open({ decide: notAdmin });
    const guest = await Http2Guest.open(stand);
    guest.send(guest.request(1, '/x', { ...more, y: 'kept' }));
    await guest.answer(1);
    assert.deepEqual(
      stand.seen.map(({ url, headers }) => [url, headers.x, headers.y, headers.host]),
      [['/x', undefined, 'kept', `${stand.name}:${stand.port}`]],
    );
    guest.close();
  }
});

describe('what servers send', () => {
  test('trailers that come twice reach a guest of HTTP/2, joined', async () => {
    const answer =
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\netag: "a"\r\netag: "b"\r\n\r\n';
    await using stand = await Stand.open({ serve: saying(answer) });
    const guest = await Http2Guest.open(stand);
    guest.send(guest.request(1, '/x', { te: 'trailers' }));
    const frames = await guest.answer(1);
    assert.deepEqual(
      frames.map(({ kind }) => kind),
      ['headers', 'data', 'headers'],
    );
    assert.match(frames.at(-1)?.body.toString('latin1') ?? '', /"a", "b"/);
    guest.close();
  });

  test('fields that come twice in a header do so, too', async () => {
    const twice = 'x-content-type-options: nosniff\r\n';
    const answer = `HTTP/1.1 200 OK\r\n${twice}${twice}Content-Length: 2\r\n\r\nok`;
    await using stand = await Stand.open({ serve: saying(answer) });
    const guest = await Http2Guest.open(stand);
    guest.send(guest.request(1, '/x'));
    assert.equal(
      (await guest.answer(1)).find(({ kind }) => kind === 'data')?.body.toString(),
      'ok',
    );
    guest.close();
  });

  for (const [name, answer] of [
    ['101 that nobody asked for', 'HTTP/1.1 101 S\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n'],
    ['a status that cannot be passed on', 'HTTP/1.1 999 Odd\r\nContent-Length: 99\r\n\r\nhello'],
  ] as const) {
    test(`${name}: 502, and the connection to the server ends`, async () => {
      let closed = false;
      const note = (): void => {
        closed = true;
      };
      await using stand = await Stand.open({ serve: saying(answer, note) });
      const guest = await Http2Guest.open(stand);
      guest.send(guest.request(1, '/x'));
      const body = (await guest.answer(1)).filter(({ kind }) => kind === 'data');
      assert.equal(JSON.parse(Buffer.concat(body.map((each) => each.body)).toString()).status, 502);
      await until('its connection to the server is closed', () => closed);
      guest.close();
    });
  }

  test('100 Continue is said once, however often the server says it', async () => {
    const continues = 'HTTP/1.1 100 Continue\r\n\r\n'.repeat(2000);
    await using stand = await Stand.open({
      speaks: 'http',
      serve: saying(`${continues}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok`),
    });
    const socket = connect(stand.port, '127.0.0.1');
    socket.write(
      `POST /x HTTP/1.1\r\nHost: ${stand.name}:${stand.port}\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n`,
    );
    let text = '';
    socket.on('data', (piece) => {
      text += String(piece);
    });
    await until('it is answered to its end', () => text.endsWith('ok'));
    assert.equal(text.match(/100 Continue/g)?.length, 1);
    socket.destroy();
  });

  for (const http2 of [true, false]) {
    test(`a value in trailers and in the reason phrase becomes the placeholder (HTTP/${http2 ? 2 : 1})`, async () => {
      const token = secret();
      const answer = `HTTP/1.1 401 not ${VALUE}\r\nTransfer-Encoding: chunked\r\nTrailer: grpc-message\r\n\r\n2\r\nok\r\n0\r\ngrpc-message: no such token ${VALUE}\r\n\r\n`;
      await using stand = await Stand.open({ secrets: [token], serve: saying(answer) });
      const authority = `${stand.name}:${stand.port}`;
      if (http2) {
        const { port, name: servername, authorityPem: ca } = stand;
        const session = connectHttp2(`https://127.0.0.1:${port}`, { servername, ca });
        const stream = session.request({
          ':authority': authority,
          authorization: token.placeholder,
          te: 'trailers',
        });
        const [trailers] = await once(stream.resume(), 'trailers', {
          signal: AbortSignal.timeout(5000),
        });
        session.destroy();
        assert.equal(stand.seen[0]?.headers.authorization, VALUE);
        assert.equal(trailers['grpc-message'], `no such token ${token.placeholder}`);
        return;
      }
      const { port, name: servername, authorityPem: ca } = stand;
      const headers = { host: authority, authorization: token.placeholder };
      const outgoing = request1({ port, host: '127.0.0.1', servername, ca, headers, agent: false });
      outgoing.end();
      const [response] = await once(outgoing, 'response');
      response.resume();
      await once(response, 'end');
      assert.equal(stand.seen[0]?.headers.authorization, VALUE);
      assert.equal(response.statusMessage, `not ${token.placeholder}`);
      assert.equal(response.trailers['grpc-message'], `no such token ${token.placeholder}`);
    });
  }
});

describe('what one sandbox has the proxy keep is bounded', () => {
  /** Requests on as many connections as it takes, 128 on each, and how many of them were refused at once. */
  async function refusedOf(
    stand: Stand,
    count: number,
    more: Readonly<Record<string, string>>,
  ): Promise<number> {
    const guests: Http2Guest[] = [];
    for (let sent = 0; sent < count; sent += 128) {
      const guest = await Http2Guest.open(stand, 0);
      const streams = Array.from({ length: Math.min(128, count - sent) }, (_, at) => 1 + 2 * at);
      for (const stream of streams) guest.send(guest.request(stream, '/admin', more));
      guests.push(guest);
    }
    const answered = (): number =>
      guests.flatMap(({ frames }) => frames).filter(({ kind }) => kind !== 'other').length;
    await until('each is answered', () => answered() === count);
    const resets = guests.flatMap(({ frames }) => frames.filter(({ kind }) => kind === 'reset'));
    for (const { body } of resets) assert.equal(body.readUInt32BE(0), REFUSED_STREAM);
    for (const guest of guests) guest.close();
    return resets.length;
  }

  test('refused requests whose answers the guest does not take count as long as they stay', async () => {
    await using stand = await Stand.open({ decide: notAdmin });
    assert.equal(await refusedOf(stand, 2048 + 200, {}), 200);
    assert.match(
      stand.refusals.map(({ reason }) => reason).join(),
      /2048 requests of this sandbox wait/,
    );
    await sleep(100);
    assert.equal(await refusedOf(stand, 100, {}), 0, 'with their connections they are gone');
  });

  test('headers of 16 KiB', async () => {
    await using stand = await Stand.open({ decide: notAdmin });
    const refused = await refusedOf(stand, 1200, { 'x-long': 'x'.repeat(16_000) });
    assert.ok(refused > 100 && refused < 250, String(refused));
    assert.match(
      stand.refusals.map(({ reason }) => reason).join(),
      /headers of requests that wait/,
    );
  });
});
