import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { openWorld } from './guest-side.ts';
import { filtered } from './judge-parts.ts';

test('requests sent ahead of their answers are bounded: no server has to be slow for long', async () => {
  await using world = await openWorld(filtered(['good.example:80']), {
    'good.example': ['203.0.113.1'],
  });
  const silent = createServer(() => {});
  await world.serve('203.0.113.1:80', silent);
  await world.resolve('good.example');
  const socket = await world.connect('203.0.113.1', 80);
  const ended = new Promise((resolve) => socket.once('close', resolve));
  socket.write('GET /x HTTP/1.1\r\nHost: good.example\r\n\r\n'.repeat(5000));
  socket.resume();
  await ended;
  const [allowed, refused] = [true, false].map((kind) =>
    world.reported.filter((each) => each.allowed === kind),
  );
  assert.equal(allowed?.length, 64);
  assert.match(refused?.[0]?.reason ?? '', /64 requests on one connection wait/);
  silent.closeAllConnections();
});

test('as many as programs send ahead are answered, in their order', async () => {
  await using world = await openWorld(filtered(['good.example:80']), {
    'good.example': ['203.0.113.1'],
  });
  const echo = createServer((request, response) => response.end(`${request.url}\n`));
  await world.serve('203.0.113.1:80', echo);
  await world.resolve('good.example');
  const socket = await world.connect('203.0.113.1', 80);
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk;
  });
  const seen = () => [...text.matchAll(/\n(\/\d+)\n/g)].map(([, path]) => path);
  for (let round = 0; round < 20; round++) {
    const before = seen().length;
    const requests = Array.from(
      { length: 10 },
      (_, at) => `GET /${round * 10 + at} HTTP/1.1\r\nHost: good.example\r\n\r\n`,
    );
    socket.write(requests.join(''));
    while (seen().length < before + 10) await once(socket, 'data');
  }
  assert.deepEqual(
    seen(),
    Array.from({ length: 200 }, (_, at) => `/${at}`),
  );
  echo.closeAllConnections();
});
