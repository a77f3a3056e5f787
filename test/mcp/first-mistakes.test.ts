/** What a person gets wrong who starts the server: it does not start, and says what is wrong and what to type. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { entry, makePlace } from '../cli/caisson.ts';

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

test('where no command could run it says so when it starts, on stderr, with what to type', async () => {
  using place = makePlace();
  const ask = (id: number, method: string, params: object): string =>
    `${JSON.stringify({ jsonrpc: '2.0', id, method, params })}\n`;
  const input = [
    ask(1, 'initialize', {
      protocolVersion: '2025-06-18',
      capabilities: {},
      clientInfo: { name: 'test', version: '1' },
    }),
    `${JSON.stringify({ jsonrpc: '2.0', method: 'notifications/initialized' })}\n`,
    ask(2, 'tools/call', { name: 'run_command', arguments: { argv: ['true'] } }),
  ].join('');
  // Of the launcher, which looks for them below /sys/fs/cgroup, control groups are hidden.
  const hidden = 'mount -t tmpfs none /sys/fs/cgroup && exec "$@"';
  const started = async (hides: boolean, ...flags: string[]) => {
    const command = [entry, 'mcp', ...flags];
    const [program = '', ...words] = hides
      ? ['unshare', '-Urm', 'sh', '-c', hidden, 'sh', ...command]
      : command;
    const child = spawn(program, words, { cwd: place.work, env: place.environment });
    let [said, told] = ['', ''];
    child.stderr.on('data', (chunk) => {
      said += chunk;
    });
    child.stdout.on('data', (chunk) => {
      told += chunk;
      if (told.includes('"id":2')) child.stdin.end();
    });
    child.stdin.write(input);
    const late = setTimeout(() => child.kill('SIGKILL'), 30_000);
    await once(child, 'close');
    clearTimeout(late);
    // Nothing but messages of the protocol.
    const answers = told
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    return { said, answer: answers.find(({ id }) => id === 2) };
  };
  const refused = await started(true);
  assert.match(refused.said, /^caisson: every command will be refused: .*caisson doctor/m);
  assert.match(refused.said, /^ {2}limits\.memory:no-cgroup: /m);
  assert.equal(refused.answer.result.isError, true, JSON.stringify(refused.answer));
  const [, ...flags] = / (--accept) (\S+)$/m.exec(refused.said) ?? [];
  assert.equal(flags.length, 2, refused.said);
  const accepted = await started(true, ...flags);
  assert.equal(accepted.answer.result.isError ?? false, false, JSON.stringify(accepted.answer));
  assert.equal(accepted.said, '');
  const here = await started(false);
  const isRefused = here.answer.result.isError === true;
  assert.equal(/every command will be refused/.test(here.said), isRefused, here.said);
});
