/** What a person gets wrong who starts the server: it does not start, and says what is wrong and what to type. */
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { makePlace } from '../cli/caisson.ts';

test('slips on the command line of caisson mcp', async () => {
  using place = makePlace();
  const file = (name: string, text: string): string => {
    const path = join(place.work, name);
    writeFileSync(path, text);
    chmodSync(path, 0o600);
    return path;
  };
  const http = ['--http', '127.0.0.1:0'];
  const nothing = join(place.work, 'nothing');
  mkdirSync(join(place.work, 'directory'), { mode: 0o700 });
  const rules = file('rules.yaml', 'alow:\n  - pypi.org\n');
  const urls = file('urls.yaml', 'allow: [http://pypi.org]\n');
  const short = file('short', 'ann abc\n');
  const slips: [args: string[], status: number, message: string, next: RegExp][] = [
    [['--ask-rules', nothing], 78, `${nothing} cannot be read: there is no such file`, /path/],
    [[...http, '--token-file', nothing], 78, 'there is no such file', /path/],
    [[...http, '--token-file', join(place.work, 'directory')], 78, 'it is a directory', /path/],
    [
      [...http, '--token-file', file('empty', '')],
      78,
      `${place.work}/empty: there is no token`,
      /urandom/,
    ],
    [[...http, '--token-file', short], 78, `${short}: the token of ann is shorter`, /urandom/],
    [
      ['--ask-rules', rules],
      78,
      `${rules}: alow: unknown key \\(did you mean allow\\?\\)`,
      /lists/,
    ],
    [['--ask-rules', urls], 78, `${urls}: "http://pypi.org" is a URL`, /host and port alone/],
    [['--ask-rules', file('open.yaml', 'allow: [\n')], 78, 'open.yaml: ', /lists/],
    [[...http, '--allow-host', 'http://box.example'], 64, 'not a name in a Host', /NAME:PORT/],
    [[...http, '--allow-origin', 'box.example'], 64, 'not an origin', /http:\/\/localhost:6274/],
    [[...http, '--allow-origin', 'http://a.example/'], 64, 'not an origin', /--allow-origin/],
    [['--max-sandboxes', '0'], 64, '"0" is not more than zero', /^ {2}write a positive value/m],
  ];
  for (const [args, status, message, next] of slips) {
    const ran = place.caisson(['mcp', ...args]);
    assert.equal(ran.status, status, `${args.join(' ')}: ${ran.stderr}`);
    const [first = '', ...rest] = ran.stderr.split('\n');
    assert.match(first, new RegExp(message), args.join(' '));
    assert.match(rest.join('\n'), next, args.join(' '));
    assert.doesNotMatch(ran.stderr, /"code"|because/);
  }
});

test('a port that another process has is told as such', async () => {
  using place = makePlace();
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const ran = place.caisson(['mcp', '--http', `127.0.0.1:${port}`]);
  server.close();
  assert.equal(ran.status, 73);
  assert.match(
    ran.stderr,
    new RegExp(`^caisson: another process listens at 127.0.0.1:${port}$`, 'm'),
  );
  assert.match(ran.stderr, /--http PORT/);
});
