/** Secrets: the value reaches its own hosts in headers over TLS, and nothing else ever has it. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { isCaissonError } from '../../../src/core/error.ts';
import {
  makePlaceholder,
  requireHeaderValue,
  Secrets,
} from '../../../src/network/intercept/secrets.ts';
import { gitBackend } from './git-backend.ts';
import { type Request, type Response, run, Stand, StandHolder, type StandSecret } from './stand.ts';

const VALUE = 'ghp_9f8e7d6c5b4a+/=$&';
const noCurl = spawnSync('curl', ['--version']).status === 0 ? false : 'curl is not installed';
const execPath = spawnSync('git', ['--exec-path'], { encoding: 'utf8' });
const backend = join((execPath.stdout ?? '').trim(), 'git-http-backend');
const noGit = execPath.status === 0 && existsSync(backend) ? false : 'git is not installed';

function secret(hosts: readonly string[] = ['app.test'], value = VALUE): StandSecret {
  return { name: 'TOKEN', id: 1, placeholder: makePlaceholder(), value: Buffer.from(value), hosts };
}

/** What a header field is written as. */
async function written(secrets: Secrets, field: string, host: string): Promise<string> {
  const head = secrets.newHead();
  const { text, used } = secrets.intoHeader(field, host, head);
  if (used.length === 0) return text;
  assert.ok(!text.includes(VALUE), 'sealed until it is written');
  return (await head.fill(`${text}\r\n\r\n`, 'latin1')).toString('latin1').slice(0, -4);
}

const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;

test('a placeholder is recognisable, of one length, and never the same', () => {
  const made = new Set(Array.from({ length: 1000 }, makePlaceholder));
  assert.equal(made.size, 1000);
  for (const each of made) assert.match(each, /^caisson-secret-[0-9a-f]{32}$/);
});

describe('in a request to its own host', () => {
  for (const flag of ['--http1.1', '--http2']) {
    test(`the value is in every header that held the placeholder (${flag})`, {
      skip: noCurl,
    }, async () => {
      const token = secret();
      await using stand = await Stand.open({ secrets: [token], http2: flag === '--http2' });
      const { placeholder } = token;
      const ran = await stand.curl(
        '/',
        flag,
        '-H',
        `X-Api-Key: ${placeholder}`,
        '-H',
        `Authorization: Bearer ${placeholder}`,
      );
      assert.equal(ran.status, 200);
      assert.equal(stand.seen[0]?.headers['x-api-key'], VALUE);
      assert.equal(stand.seen[0]?.headers.authorization, `Bearer ${VALUE}`);
      await stand.curl('/', flag, '-u', `user:${placeholder}`);
      assert.equal(stand.seen[1]?.headers.authorization, basic(`user:${VALUE}`));
      assert.deepEqual(stand.refusals, []);
      assert.ok(!JSON.stringify(stand.decisions).includes(VALUE));
    });
  }

  test('query and body keep the placeholder', { skip: noCurl }, async () => {
    const token = secret();
    let body = '';
    await using stand = await Stand.open({
      secrets: [token],
      serve: (request, response) => {
        request.on('data', (piece) => {
          body += String(piece);
        });
        request.on('end', () => (response as ServerResponse).end());
      },
    });
    await stand.curl(`/?key=${token.placeholder}`, '-d', token.placeholder);
    assert.equal(stand.seen[0]?.url, `/?key=${token.placeholder}`);
    assert.equal(body, token.placeholder);
  });

  test('a server that sends the headers back sends the placeholder to the guest', {
    skip: noCurl,
  }, async () => {
    const token = secret();
    await using stand = await Stand.open({
      secrets: [token],
      serve: (request, response) => {
        const key = String(request.headers['x-api-key']);
        const header = {
          'x-echo': key,
          location: `/?k=${encodeURIComponent(key)}`,
          'x-basic': basic(`u:${key}`),
        };
        (response as ServerResponse).writeHead(200, header).end();
      },
    });
    const ran = await stand.curl('/', '-i', '-H', `X-Api-Key: ${token.placeholder}`);
    assert.match(ran.body, new RegExp(`X-Echo: ${token.placeholder}`, 'i'));
    assert.ok(ran.body.includes(basic(`u:${token.placeholder}`)), ran.body);
    for (const form of [VALUE, encodeURIComponent(VALUE), basic(`u:${VALUE}`)]) {
      assert.ok(!ran.body.includes(form), ran.body);
    }
    assert.equal((await stand.curl('/', '-X', 'TRACE')).status, 405);
  });
});

describe('anywhere else', () => {
  const places = {
    header: (placeholder: string) => ['/', '-H', `X-Api-Key: ${placeholder}`],
    basic: (placeholder: string) => ['/', '-u', `user:${placeholder}`],
    query: (placeholder: string) => [`/?key=${placeholder}`],
  };
  for (const [place, make] of Object.entries(places)) {
    test(`${place} to another host: the placeholder goes as it is, and it is recorded`, {
      skip: noCurl,
    }, async () => {
      const token = secret(['api.test', '*.app.test']);
      await using stand = await Stand.open({ secrets: [token] });
      const [path = '/', ...args] = make(token.placeholder);
      assert.equal((await stand.curl(path, ...args)).status, 200);
      assert.ok(!JSON.stringify(stand.seen).includes(VALUE));
      assert.ok(
        !JSON.stringify(stand.seen).includes(Buffer.from(VALUE).toString('base64').slice(0, 20)),
      );
      assert.deepEqual(
        stand.refusals.map(({ rule }) => rule),
        ['network.secrets'],
      );
      assert.match(stand.refusals[0]?.reason ?? '', /placeholder of TOKEN was sent to app\.test/);
    });
  }

  test('its own host in clear text', { skip: noCurl }, async () => {
    const token = secret();
    await using stand = await Stand.open({ secrets: [token], speaks: 'http' });
    await stand.curl('/', '-H', `X-Api-Key: ${token.placeholder}`);
    assert.equal(stand.seen[0]?.headers['x-api-key'], token.placeholder);
    assert.match(stand.refusals[0]?.reason ?? '', /over TLS alone/);
  });

  test('its own host with a certificate that is not verified', { skip: noCurl }, async () => {
    const token = secret();
    await using stand = await Stand.open({ secrets: [token], untrusted: true });
    const ran = await stand.curl('/', '-H', `X-Api-Key: ${token.placeholder}`);
    assert.equal(ran.status, 502);
    assert.equal(stand.seen.length, 0);
  });

  test('Host of the secret on a connection to another server', { skip: noCurl }, async () => {
    const token = secret(['api.test']);
    await using stand = await Stand.open({ secrets: [token] });
    const ran = await stand.curl(
      '/',
      '-H',
      'Host: api.test',
      '-H',
      `X-Api-Key: ${token.placeholder}`,
    );
    assert.equal(ran.status, 421);
    assert.equal(stand.seen.length, 0);
  });
});

test('every copy that the proxy was given is overwritten', { skip: noCurl }, async () => {
  const token = secret();
  await using stand = await Stand.open({ secrets: [token] });
  const header = `Authorization: Bearer ${token.placeholder}`;
  await stand.curl('/', '-H', header, '-u', `user:${token.placeholder}`);
  assert.equal(stand.seen[0]?.headers.authorization, `Bearer ${VALUE}`);
  assert.equal(stand.holder.copies.length, 2, 'for the request, and to look for in the answer');
  for (const copy of stand.holder.copies) assert.ok(copy.every((byte) => byte === 0));
});

test('a holder that is gone: nothing is sent, and the guest is told why', {
  skip: noCurl,
}, async () => {
  const token = secret();
  await using stand = await Stand.open({ secrets: [token] });
  stand.holder.isGone = true;
  const ran = await stand.curl('/', '-H', `X-Api-Key: ${token.placeholder}`);
  assert.equal(ran.status, 502);
  assert.match(ran.body, /the value of TOKEN cannot be had: the holder has ended/);
  assert.equal(stand.seen.length, 0);
  assert.deepEqual(
    stand.refusals.map(({ rule }) => rule),
    ['network.secrets'],
  );
  assert.equal((await stand.curl('/')).status, 200, 'a request without a secret passes');
});

test('a server that takes HTTP/2 alone gets requests without a secret, and no secret', {
  skip: noCurl,
}, async () => {
  const token = secret();
  await using stand = await Stand.open({ secrets: [token], http2: 'alone' });
  const ran = await stand.curl('/', '--http2', '-H', `X-Api-Key: ${token.placeholder}`);
  assert.equal(ran.status, 502);
  assert.match(ran.body, /every request with a secret, goes out over HTTP\/1\.1/);
  assert.equal((await stand.curl('/', '--http2')).status, 200);
  assert.deepEqual(
    stand.seen.map(({ headers }) => headers['x-api-key']),
    [undefined],
  );
});

test('an answer that nobody can look through any more is not passed on', {
  skip: noCurl,
}, async () => {
  const token = secret();
  await using stand = await Stand.open({
    secrets: [token],
    serve: (request, response) => {
      stand.holder.isGone = true;
      const echo = String(request.headers['x-api-key']);
      (response as ServerResponse).writeHead(200, { 'x-echo': echo }).end();
    },
  });
  const ran = await stand.curl('/', '-i', '-H', `X-Api-Key: ${token.placeholder}`);
  assert.equal(stand.seen[0]?.headers['x-api-key'], VALUE);
  assert.equal(ran.status, 502);
  assert.ok(!ran.body.includes(VALUE), ran.body);
});

test('several secrets, several times in one field, and beside other text', async () => {
  const [a, b] = [secret(), { ...secret(), name: 'OTHER', id: 2, value: Buffer.from('0ther') }];
  const secrets = new Secrets([a, b], new StandHolder([a, b]));
  const field = `k=${a.placeholder}; l=${b.placeholder}; again=${a.placeholder}.`;
  assert.equal(await written(secrets, field, 'app.test'), `k=${VALUE}; l=0ther; again=${VALUE}.`);
  assert.equal(
    await written(secrets, basic(`${b.placeholder}:${a.placeholder}`), 'app.test'),
    basic(`0ther:${VALUE}`),
  );
});

test('a mark in a place that we did not give it, or twice, is no header of ours', async () => {
  const token = secret();
  const secrets = new Secrets([token], new StandHolder([token]));
  const head = secrets.newHead();
  const { text } = secrets.intoHeader(token.placeholder, 'app.test', head);
  for (const header of [`${text}${text}\r\n\r\n`, `\r\n\r\n${text}`, 'a: b\r\n\r\n', text]) {
    await assert.rejects(head.fill(header, 'latin1'), { code: 'NETWORK_FAILED' });
  }
  assert.ok((await head.fill(`${text}\r\n\r\n`, 'latin1')).includes(VALUE));
});

test('what is asked for after closing stays a placeholder', async () => {
  const token = secret();
  const secrets = new Secrets([token], new StandHolder([token]));
  assert.equal(await written(secrets, token.placeholder, 'app.test'), VALUE);
  secrets.close();
  assert.equal(await written(secrets, token.placeholder, 'app.test'), token.placeholder);
});

test('`*.name` is for proper sub-domains', () => {
  const secrets = new Secrets([secret(['*.app.test'])], new StandHolder([]));
  assert.ok(secrets.concern('a.app.test') && secrets.concern('a.b.app.test'));
  assert.ok(
    !secrets.concern('app.test') &&
      !secrets.concern('.app.test') &&
      !secrets.concern('evilapp.test'),
  );
});

test('a value that no header can carry is refused without being shown', () => {
  for (const value of ['', 'line\nbreak', 'nul\0', 'tab\t']) {
    assert.throws(
      () => requireHeaderValue('TOKEN', Buffer.from(value)),
      (error) => isCaissonError(error) && (value === '' || !JSON.stringify(error).includes(value)),
    );
  }
});

test('git push over HTTPS: the token is the proxy’s, the guest has the placeholder', {
  skip: noGit,
}, async () => {
  const token = secret(['git.test']);
  const authorizations: (string | undefined)[] = [];
  let root = '';
  const serve = (request: Request, response: Response) => {
    authorizations.push(request.headers.authorization);
    if (request.headers.authorization !== basic(`git:${VALUE}`)) {
      (response as ServerResponse)
        .writeHead(401, { 'www-authenticate': 'Basic realm="git"' })
        .end();
      return;
    }
    gitBackend(backend, root, request as IncomingMessage, response as ServerResponse);
  };
  await using stand = await Stand.open({ name: 'git.test', secrets: [token], serve });
  root = join(stand.directory, 'served');
  const work = join(stand.directory, 'work');
  const home = join(stand.directory, 'home');
  for (const each of [root, work, home]) mkdirSync(each);
  const env = {
    HOME: home,
    GIT_SSL_CAINFO: stand.bundle,
    GIT_TERMINAL_PROMPT: '0',
    GIT_CONFIG_NOSYSTEM: '1',
    TOKEN: token.placeholder,
  };
  const git = async (...args: string[]) => {
    const helper = '!f() { echo username=git; echo "password=$TOKEN"; }; f';
    const resolve = `http.curloptResolve=git.test:${stand.port}:127.0.0.1`;
    const settings = [
      '-c',
      `credential.helper=${helper}`,
      '-c',
      resolve,
      '-c',
      'user.name=a',
      '-c',
      'user.email=a@b',
    ];
    const ran = await run('git', [...settings, ...args], { cwd: work, env });
    assert.equal(ran.code, 0, ran.stderr);
    return ran.stdout;
  };
  await git('init', '--bare', '-q', join(root, 'project.git'));
  await git('-C', join(root, 'project.git'), 'config', 'http.receivepack', 'true');
  await git('init', '-q', '-b', 'main', '.');
  await git('commit', '-q', '--allow-empty', '-m', 'pushed through the proxy');
  await git('push', '-q', stand.url('/project.git'), 'main');
  const log = await git('--git-dir', join(root, 'project.git'), 'log', '--format=%s', 'main');
  assert.equal(log.trim(), 'pushed through the proxy');
  await git('clone', '-q', stand.url('/project.git'), join(work, 'again'));
  assert.ok(authorizations.includes(basic(`git:${VALUE}`)));
  assert.ok(!readFileSync(join(work, 'again/.git/config'), 'utf8').includes(VALUE));
});
