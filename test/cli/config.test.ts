/** `caisson config check` and `show`, and that `serve` reads the same. */
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { makePlace } from './caisson.ts';

test('check: valid, or everything that is wrong and where, with exit code 78', () => {
  using place = makePlace();
  const file = join(place.work, 'config.yaml');
  writeFileSync(file, 'listen:\n  port: 0\n');
  const good = place.caisson(['config', 'check', '--config', file]);
  assert.deepEqual([good.status, good.stdout], [0, `${file}: valid\n`]);
  const json = place.caisson(['config', 'check', '--json'], {
    environment: { CAISSON_CONFIG: file },
  });
  assert.deepEqual(JSON.parse(json.stdout), { valid: true, file });

  writeFileSync(file, 'listen:\n  prot: 0\nsigning:\n  keyFile: key.pem\n');
  const bad = place.caisson(['config', 'check', '-c', file, '--set', 'limits.bodyBytes=x'], {
    environment: { CAISSON_LISTEN_PORT: '99999' },
  });
  assert.equal(bad.status, 78);
  for (const told of [
    /config\.yaml:2:3: listen\.prot: unknown key \(did you mean port\?\)/,
    /config\.yaml:4:12: signing\.keyFile: write an absolute path/,
    /CAISSON_LISTEN_PORT: listen\.port: 99999 is not a whole number from 0 to 65535/,
    /--set limits\.bodyBytes: "x" is not a size/,
  ]) {
    assert.match(bad.stderr, told);
  }
});

test('check: what is named must be there, and a key nobody else’s', () => {
  using place = makePlace();
  const key = join(place.work, 'key.pem');
  writeFileSync(key, 'SECRET-KEY');
  chmodSync(key, 0o644);
  const check = () => place.caisson(['config', 'check', '--set', `signing.keyFile=${key}`]);
  const open = check();
  assert.equal(open.status, 78);
  assert.match(open.stderr, /signing\.keyFile: .*others may read it; chmod 600/);
  assert.doesNotMatch(open.stderr, /SECRET/);
  chmodSync(key, 0o600);
  assert.equal(check().status, 0);
});

test('check: a flag is told as it was typed, and no hint twice', () => {
  using place = makePlace();
  const told = (...flags: string[]) => {
    const { status, stderr } = place.caisson(['config', 'check', ...flags]);
    assert.equal(status, 78, stderr);
    return stderr;
  };
  assert.match(
    told('--port', 'abc'),
    /^caisson: --port: listen\.port: "abc" is not a whole number from 0 to 65535$/m,
  );
  assert.match(told('--set', 'listen.port=abc'), /^caisson: --set listen\.port: "abc" is not/m);
  const two = told('--set', 'lisen.port=1', '--set', 'zzzzzz=1');
  assert.match(two, /zzzzzz: unknown key/);
  assert.equal(two.split('did you mean listen.port?').length - 1, 1, two);
});

test('check and serve: a state directory that others can use, exit code 78', () => {
  using place = makePlace();
  const open = join(place.work, 'open');
  mkdirSync(open);
  chmodSync(open, 0o755);
  const check = () => place.caisson(['config', 'check', '--state', open]);
  assert.equal(check().status, 78);
  assert.match(check().stderr, /stateDirectory: .*its owner alone can use; chmod 700/);
  const served = place.caisson(['serve', '--state', open, '--port', '0']);
  assert.equal(served.status, 78, served.stderr);
  assert.match(served.stderr, /^caisson: stateDirectory: .*its owner alone can use \(chmod 700 /);
  chmodSync(open, 0o700);
  assert.equal(check().status, 0);
  rmdirSync(open);
  assert.equal(check().status, 0, 'it would be made');
});

test('a unix socket and a port or a host are refused together: one would be left out', () => {
  using place = makePlace();
  const socket = ['--socket', join(place.work, 'api.sock')];
  for (const [other, value] of [
    ['--port', '0'],
    ['--host', '127.0.0.1'],
  ] as const) {
    for (const command of [['serve'], ['config', 'check']]) {
      const { status, stderr } = place.caisson([...command, ...socket, other, value]);
      assert.equal(status, 64, stderr);
      assert.match(stderr, new RegExp(`--socket and ${other} cannot stand together`));
      assert.match(stderr, new RegExp(`leave out ${other}, or --socket`));
    }
  }
  assert.equal(place.caisson(['config', 'check', ...socket]).status, 0);
});

test('show: every key with its value and source', () => {
  using place = makePlace();
  const file = join(place.work, 'config.json');
  writeFileSync(file, '{"listen": {"host": "127.0.0.9"}, "drainTimeoutMs": "5s"}');
  const words = ['config', 'show', '--config', file, '--port', '0', '--anonymous'];
  const environment = { CAISSON_LIMITS_MAX_STREAMS: '7' };
  const { stdout, status } = place.caisson(words, { environment });
  assert.equal(status, 0);
  for (const row of [
    `listen.host "127.0.0.9" (${file}:1)`,
    'listen.port 0 (--port)',
    'limits.maxStreams 7 (CAISSON_LIMITS_MAX_STREAMS)',
    `drainTimeoutMs 5000 (${file}:1)`,
    'audit.enabled true (default)',
    'listen.socketPath - (default)',
  ]) {
    assert.ok(
      stdout.split('\n').some((line) => line.replace(/ +/g, ' ') === row),
      `${row}\n${stdout}`,
    );
  }
  const { keys } = JSON.parse(place.caisson([...words, '--json'], { environment }).stdout);
  assert.deepEqual(keys['listen.port'], { value: 0, from: 'flag', where: '--port' });
  assert.deepEqual(keys['signing.keyFile'], { value: null, from: 'default' });
});

test('serve does not start where anybody could get in, or with a key that it does not know', () => {
  using place = makePlace();
  const serve = (...flags: string[]) => place.caisson(['serve', '--port', '0', ...flags]);
  for (const [flags, told] of [
    [['--host', '0.0.0.0'], /in clear text/],
    [
      ['--host', '0.0.0.0', '--set', 'listen.insecure=true', '--anonymous'],
      /would be the operator/,
    ],
    [
      ['--host', '0.0.0.0', '--set', 'listen.insecure=true', '--set', 'auth.apiKeys=false'],
      /without credentials/,
    ],
    [['--set', 'listen.hots=x'], /did you mean listen\.host\?/],
  ] as const) {
    const { status, stderr } = serve(...flags);
    assert.equal(status, 78, stderr);
    assert.match(stderr, told);
  }
});
