/** First mistakes of whoever opens a client: each is told what is wrong and what to write. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttp } from 'node:http';
import { createServer as createHttps } from 'node:https';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { RemoteCaisson } from '../../src/client/index.ts';

const scratch = mkdtempSync(join(tmpdir(), 'caisson-opening-'));
const SECRET = 'csn_this-is-secret';
const url = 'http://127.0.0.1:9';
after(() => rmSync(scratch, { recursive: true, force: true }));

async function told(options: unknown): Promise<{ code: string; message: string; hint: string }> {
  try {
    await using _ = await RemoteCaisson.open(options as never);
  } catch (error) {
    const { code, message, hint } = error as { code: string; message: string; hint: string };
    assert.doesNotMatch(`${message} ${hint}`, new RegExp(SECRET));
    return { code, message, hint };
  }
  assert.fail('it was opened');
}

describe('options that are none', () => {
  const mistakes: Record<string, readonly [options: unknown, message: RegExp, hint: RegExp]> = {
    'none at all': [undefined, /no options/, /url, or socketPath/],
    'no address': [{ apiKey: SECRET }, /either/, /url, or socketPath/],
    'two addresses': [{ url, socketPath: 'a' }, /either/, /url, or socketPath/],
    'a slip in a name': [{ url, apikey: SECRET }, /"apikey"/, /^did you mean apiKey\?$/],
    'another word for it': [{ url, token: SECRET }, /"token"/, /^did you mean apiKey\?$/],
    'an odd name': [{ url, colour: 'red' }, /"colour"/, /socketPath, apiKey/],
    'no scheme': [{ url: 'localhost:8640' }, /no address/, /^write http:\/\/localhost:8640, or/],
    'an address alone': [{ url: '[::1]:8640' }, /no address/, /^write http:\/\/\[::1\]:8640, or/],
    'another scheme': [{ url: 'ftp://a' }, /no address/, /^write http:\/\/HOST:PORT$/],
    'a socket as URL': [{ url: 'unix:/run/a.sock' }, /no address/, /as socketPath/],
    'a path as URL': [{ url: './a.sock' }, /no address/, /as socketPath/],
    'an empty key': [{ url, apiKey: '' }, /empty/, /keys create/],
    'a key with its line break': [{ url, apiKey: `${SECRET}\n` }, /characters/, /line break/],
    'two words as key': [{ url, apiKey: `Bearer ${SECRET}` }, /characters/, /keys create/],
    'what --json printed as key': [{ url, apiKey: `{"token":"${SECRET}"}` }, /JSON/, /`token`/],
    'a file name as ca': [{ url, ca: 'ca.pem' }, /no certificate/, /readFileSync/],
    'a time as text': [{ url, silenceMs: '5s' }, /silenceMs is no number/, /120000/],
    'no connection at all': [{ url, connections: 0 }, /connections is no number/, /256/],
  };
  for (const [name, [options, message, hint]] of Object.entries(mistakes)) {
    test(name, async () => {
      const error = await told(options);
      assert.equal(error.code, 'REQUEST_INVALID');
      assert.match(error.message, message);
      assert.match(error.hint, hint);
    });
  }
});

describe('a service that is not reached', () => {
  const keyFile = join(scratch, 'key.pem');
  const certFile = join(scratch, 'cert.pem');
  const words = `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout ${keyFile} -out ${certFile}`;
  execFileSync('openssl', words.split(' '), { stdio: 'ignore' });

  async function reached(server: Server, options: (port: number) => unknown) {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      return await told(options((server.address() as AddressInfo).port));
    } finally {
      server.close();
    }
  }
  const plain = () => createHttp((_, response) => response.end('{}'));
  const secured = () =>
    createHttps({ key: readFileSync(keyFile), cert: readFileSync(certFile) }, (_, response) =>
      response.end('{}'),
    );

  test('no socket is there', async () => {
    const error = await told({ socketPath: join(scratch, 'nothing.sock') });
    assert.match(error.hint, /^no socket is there: .*caisson serve.*socketPath/);
  });

  test('a file, and no socket', async () => {
    writeFileSync(join(scratch, 'file'), '');
    assert.match((await told({ socketPath: join(scratch, 'file') })).hint, /^nobody listens there/);
  });

  test('nobody listens', async () => {
    const server = createServer();
    const port = await new Promise<number>((resolve) =>
      server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port)),
    );
    await new Promise((resolve) => server.close(resolve));
    const { code, hint } = await told({ url: `http://127.0.0.1:${port}` });
    assert.equal(code, 'REMOTE_FAILED');
    assert.match(hint, /^nobody listens there: .*caisson serve/);
  });

  test('it speaks no TLS', async () => {
    const error = await reached(plain(), (port) => ({ url: `https://127.0.0.1:${port}` }));
    assert.equal(error.message, 'the service could not be asked: it speaks no TLS there');
    assert.match(error.hint, /http:\/\//);
  });

  test('it speaks TLS', async () => {
    const error = await reached(secured(), (port) => ({ url: `http://127.0.0.1:${port}` }));
    assert.match(error.hint, /https:\/\//);
  });

  test('its certificate is its own', async () => {
    const error = await reached(secured(), (port) => ({ url: `https://127.0.0.1:${port}` }));
    assert.match(error.hint, /as ca \(PEM\)/);
  });

  test('its certificate has another name', async () => {
    const ca = readFileSync(certFile, 'utf8');
    const error = await reached(secured(), (port) => ({ url: `https://127.0.0.1:${port}`, ca }));
    assert.match(error.hint, /by a name that its certificate has/);
  });
});

test('what is constructed without types says how it is opened', () => {
  // @ts-expect-error: it is private, and takes no options
  const construct = () => new RemoteCaisson({ url: 'http://127.0.0.1:8640' });
  assert.throws(construct, { code: 'REQUEST_INVALID', hint: /RemoteCaisson\.open\(/ });
});
