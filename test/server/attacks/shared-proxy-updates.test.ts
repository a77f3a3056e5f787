/**
 * What was opened under one network and goes on under another: kept connections, tunnels, requests on their way. What
 * counts is what the server at the other end still gets.
 */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import type { GuestSocket } from '../guest-socket.ts';
import { type Served, served } from '../served.ts';
import { skip } from './own-namespace.ts';
import { pythonClient } from './python-client.ts';
import { type HostName, SmallInternet } from './small-internet.ts';
import { type NetworkDocument, Tenant } from './tenant.ts';

const VALUE = 'the-value-of-A-0123456789+/=x';
const TIMEOUT = { timeout: 60_000 };

/** Opens what `open` says, says so, and sends each line that it is given; what does not pass ends it. */
const speaker = (open: string): string =>
  pythonClient(
    open,
    `for line in sys.stdin:
  try:
    turn(line.strip()); print('sent')
  except OSError as e: print('lost', e); break
print('over')`,
  );

describe('a network that changes', { skip }, () => {
  let internet: SmallInternet;
  let service: Served;
  let a: Tenant;
  before(async () => {
    internet = await SmallInternet.open();
    service = await served();
    a = await Tenant.open(service, 'acme');
  });
  beforeEach(() => internet.forget());
  after(async () => {
    await service[Symbol.asyncDispose]();
    await internet[Symbol.asyncDispose]();
  });

  const begin = async (network: NetworkDocument, open: string) => {
    const secrets = 'secrets' in network ? { TOKEN: VALUE } : {};
    const id = await a.create(network, { secrets });
    const guest = await a.spawn(id, speaker(open));
    while (!/open/.test(String(guest.stdout)) && guest.stderr.length === 0) await internet.moment();
    assert.match(String(guest.stdout), /open/, String(guest.stderr));
    return { id, guest };
  };
  /** The tunnel passes what it is given. */
  const passes = async (guest: GuestSocket, host: HostName, word: string) => {
    guest.input(`${word}\n`);
    while (!internet.sentTo(host).includes(word)) await internet.moment();
  };
  /** Nothing of it goes on, and the server was told so. */
  const isShut = async (guest: GuestSocket, host: HostName) => {
    while (internet.of(host).some(({ isOpen }) => isOpen)) await internet.moment();
    guest.input('after\n');
    guest.input('later\n');
    await guest.until('over');
    assert.doesNotMatch(internet.sentTo(host), /after|later/);
  };

  const read = { mode: 'filtered', intercept: true };
  const pathsAlone = [{ host: 'bank.test:443', http: ['GET /open/**'] }];
  const tunnels: readonly (readonly [string, NetworkDocument, string, NetworkDocument])[] = [
    [
      'raw bytes, by a name that is allowed no more',
      { mode: 'filtered', allow: ['bank.test:9000'] },
      "s = tcp('bank.test', 9000)\nturn = lambda w: (s.sendall(b'\\0' + w.encode()), more(s))",
      { mode: 'filtered', allow: ['evil.test:9000'] },
    ],
    [
      'raw bytes, by an address that is denied',
      { mode: 'filtered', allow: ['198.51.100.0/24:9000'] },
      "s = tcp('198.51.100.30', 9000)\nturn = lambda w: (s.sendall(b'\\0' + w.encode()), more(s))",
      { mode: 'filtered', allow: ['198.51.100.0/24:9000'], deny: ['198.51.100.30/32:*'] },
    ],
    [
      'TLS that nobody opens',
      { mode: 'filtered', allow: ['bank.test:443'] },
      `c = ssl._create_unverified_context()
s = c.wrap_socket(tcp('bank.test', 443), server_hostname='bank.test')
turn = lambda w: get(s, 'bank.test', '/' + w)`,
      { mode: 'filtered', allow: [] },
    ],
    [
      'a WebSocket in TLS that is read, by a name that is allowed no more',
      { ...read, allow: ['bank.test:443'] },
      "s = tls('bank.test'); get(s, 'bank.test', '/ws', UP)\nturn = lambda w: (s.sendall(w.encode()), more(s))",
      { ...read, allow: [] },
    ],
    [
      'a WebSocket in TLS that is read, by a request that is allowed no more',
      { ...read, allow: ['bank.test:443'] },
      "s = tls('bank.test'); get(s, 'bank.test', '/ws', UP)\nturn = lambda w: (s.sendall(w.encode()), more(s))",
      { ...read, allow: pathsAlone },
    ],
    [
      'a WebSocket in clear text, by a request that is allowed no more',
      { ...read, allow: ['bank.test:80'] },
      "s = tcp('bank.test', 80); get(s, 'bank.test', '/ws', UP)\nturn = lambda w: (s.sendall(w.encode()), more(s))",
      { ...read, allow: [{ host: 'bank.test:80', http: ['GET /open/**'] }] },
    ],
    [
      'a request without a name, where a name is denied that a later one might carry',
      { mode: 'filtered', allow: ['198.51.100.30/32:80'] },
      `s = tcp('198.51.100.30', 80); s.sendall(b'GET /first HTTP/1.0\\r\\n\\r\\n'); s.recv(99)
turn = lambda w: get(s, 'old.test', '/' + w)`,
      { mode: 'filtered', allow: ['198.51.100.30/32:80'], deny: ['old.test:80'] },
    ],
    [
      'TLS that a rule for its address passes on unread, by a request that is allowed no more',
      { ...read, allow: ['198.51.100.30/32:443'] },
      `c = ssl._create_unverified_context()
s = c.wrap_socket(tcp('198.51.100.30', 443), server_hostname='bank.test')
turn = lambda w: get(s, 'bank.test', '/' + w)`,
      { ...read, allow: [{ host: '198.51.100.30/32:443', http: ['GET /open/**'] }] },
    ],
    [
      'TLS that a rule for its address passes on unread, by a name that is read',
      { ...read, allow: ['198.51.100.30/32:443'] },
      `c = ssl._create_unverified_context()
s = c.wrap_socket(tcp('198.51.100.30', 443), server_hostname='bank.test')
turn = lambda w: get(s, 'bank.test', '/' + w)`,
      { ...read, allow: ['bank.test:443'] },
    ],
    [
      'a body on its way, by a request that is allowed no more',
      { ...read, allow: ['bank.test:443'] },
      `s = tls('bank.test')
s.sendall(b'POST /in HTTP/1.1\\r\\nHost: bank.test\\r\\nContent-Length: 999999\\r\\n\\r\\n')
s.settimeout(.3)
def turn(w):
  s.sendall(w.encode())
  try: got = s.recv(99)
  except TimeoutError: return
  if not got: raise OSError('ended')`,
      { ...read, allow: pathsAlone },
    ],
  ];
  for (const [what, from, open, to] of tunnels) {
    test(what, TIMEOUT, async () => {
      const { id, guest } = await begin(from, open);
      const [host] = ['bank.test'] as const;
      await passes(guest, host, 'before');
      await a.update(id, to);
      await isShut(guest, host);
      guest.socket.terminate();
      await a.end(id);
    });
  }
});
