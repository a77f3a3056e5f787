import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FirstBytes, type FirstBytesState } from '../../src/network/first-bytes.ts';
import { hostOfRequest } from '../../src/network/http-host.ts';
import { clientHello, records, serverName } from './hello-bytes.ts';

function classify(bytes: Buffer, piece = bytes.length): FirstBytesState {
  const first = new FirstBytes();
  let state: FirstBytesState = { kind: 'more' };
  for (let at = 0; at < bytes.length && state.kind === 'more'; at += piece) {
    state = first.push(bytes.subarray(at, at + piece));
  }
  return state;
}

const EXPECTED: [bytes: string | Buffer, kind: FirstBytesState['kind']][] = [
  [records(clientHello(serverName('a.example'))), 'tls'],
  ['GET / HTTP/1.1\r\n', 'http'],
  ['\r\n\r\nget / http/1.0\r\n', 'http'],
  ['PRI * HTTP/2.0\r\n', 'http'],
  ['SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n', 'other'],
  ['EHLO mail.example\r\n', 'other'],
  ['0033git-upload-pack /project.git\0host=git.example\0', 'other'],
  [Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]), 'other'],
  [Buffer.from([0x80, 0x2e, 7, 0, 2]), 'other'],
  // A request without a version: some servers read a Host behind it (Node's own among them).
  ['GET /x\r\nHost: b.example\r\n\r\n', 'http'],
  ['OPTIONS * \r\n', 'http'],
  ['GET http://b.example/x\r\n', 'http'],
  ['CONNECT b.example:80\r\n', 'http'],
  ['DESCRIBE / RTSP/1.0\r\n', 'http'],
  ['\f\x1c GET /x\x01 HTTP/1.1\r\n', 'http'],
  ['USER guest 0 * :name\r\n', 'other'],
  ['MAIL FROM:<a@b.example>\r\n', 'other'],
  // Hellos without a name, and what some servers pass over before a hello.
  [Buffer.from([0x80, 0x2e, 1, 0, 2]), 'refused'],
  [Buffer.from([0x80, 0x2e, 1, 3, 3]), 'refused'],
  [Buffer.from([21, 3, 1, 0, 2, 1, 90]), 'refused'],
  [Buffer.from([20, 3, 1, 0, 1, 1]), 'refused'],
  ['GET /', 'http'],
  ['GET', 'more'],
  [Buffer.from([22]), 'more'],
  ['PROXY TCP4 1.1.1.1 2.2.2.2 1 80\r\n', 'refused'],
  ['\r\n\r\n\0\r\nQUIT\n!', 'refused'],
  ['A'.repeat(9000), 'refused'],
];
for (const [bytes, kind] of EXPECTED) {
  const buffer = Buffer.from(bytes as string);
  test(`${kind}: ${JSON.stringify(buffer.toString('latin1').slice(0, 30))}`, () => {
    assert.equal(classify(buffer).kind, kind);
    assert.equal(classify(buffer, 1).kind, kind, 'byte by byte');
  });
}

test('a request line is HTTP however it is cut, and whatever line ends stand before it', () => {
  const cut = fc.integer({ min: 1, max: 40 });
  const before = fc.stringMatching(/^[\r\n]{0,20}$/);
  fc.assert(
    fc.property(before, cut, (lead, piece) => {
      const bytes = Buffer.from(`${lead}POST /x?y HTTP/1.1\r\nHost: a.example\r\n\r\n`);
      assert.equal(classify(bytes, piece).kind, 'http');
    }),
  );
});

test('noise never throws', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 300 }),
      fc.integer({ min: 1, max: 50 }),
      (noise, piece) => {
        classify(Buffer.from(noise), piece);
        hostOfRequest(Buffer.from(noise));
      },
    ),
    { numRuns: 2000 },
  );
});

test('the host of the first request, and what has two', () => {
  const host = (text: string) => hostOfRequest(Buffer.from(text));
  assert.deepEqual(host('GET / HTTP/1.1\r\nHost: A.example:80\r\n\r\nrest'), {
    kind: 'host',
    host: 'A.example',
  });
  assert.deepEqual(host('GET / HTTP/1.1\r\nhost:[::1]:80\r\n\r\n'), {
    kind: 'host',
    host: '[::1]',
  });
  assert.deepEqual(host('GET / HTTP/1.0\r\n\r\nHost: body.example\r\n\r\n'), { kind: 'host' });
  assert.equal(host('GET / HTTP/1.1\r\nHost: a\r\nHOST : b\r\n\r\n').kind, 'refused');
  assert.equal(host('GET / HTTP/1.1\r\nHost: a.example\r\n').kind, 'more');
  assert.equal(host(`GET / HTTP/1.1\r\nX: ${'y'.repeat(66_000)}`).kind, 'refused');
});
