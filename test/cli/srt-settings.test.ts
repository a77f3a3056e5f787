/** Commands under settings of srt, by what is there on the host afterwards. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { makePlace, type Place } from './caisson.ts';

/** /tmp is the sandbox's own, so that what is to be seen lies elsewhere. */
const outside = mkdtempSync(join(homedir(), '.caisson-srt-'));
process.env.TMPDIR = outside;
after(() => rmSync(outside, { recursive: true, force: true }));

function write(place: Place, settings: unknown): string[] {
  const file = join(place.work, '../srt.json');
  writeFileSync(file, JSON.stringify(settings));
  return ['--srt-settings', file];
}

function run(place: Place, settings: unknown, script: string, flags: readonly string[] = []) {
  return place.caisson(['run', ...write(place, settings), ...flags, '--', 'sh', '-c', script]);
}

const home = (place: Place, ...names: string[]): string => join(place.work, '../home', ...names);

test('what is denied is not read, what is allowed again is', () => {
  using place = makePlace();
  mkdirSync(home(place, 'keys'));
  mkdirSync(join(place.work, 'a/b'), { recursive: true });
  writeFileSync(home(place, 'keys/id'), 'PRIVATE');
  symlinkSync(home(place, 'keys'), home(place, 'link'));
  writeFileSync(home(place, 'plain'), 'plain');
  writeFileSync(join(place.work, '.env'), 'PRIVATE');
  writeFileSync(join(place.work, 'a/b/.env'), 'PRIVATE');
  writeFileSync(join(place.work, 'a/b/open'), 'open');
  const script = `cat ${home(place, 'keys/id')} .env a/b/.env; cat a/b/open ${home(place, 'plain')}`;
  const first = run(place, { filesystem: { denyRead: ['~/link', '**/.env'] } }, script);
  assert.equal(first.stdout, 'openplain', first.stderr);
  const second = run(
    place,
    { filesystem: { denyRead: ['~', '**/.env'], allowRead: ['~/plain'] } },
    script,
  );
  assert.equal(second.stdout, 'openplain', second.stderr);
  const there = script.replaceAll(/ (\.env|a\/)/g, ` ${place.work}/$1`);
  const third = run(place, { filesystem: { denyRead: ['..'], allowRead: ['a'] } }, there);
  assert.equal(third.stdout, 'PRIVATEopen', third.stderr);
  const plain = run(place, {}, script);
  assert.equal(plain.stdout, 'PRIVATEPRIVATEPRIVATEopenplain', plain.stderr);
});

test('what is allowed is written, and nothing else; what srt always denies is not', () => {
  using place = makePlace();
  for (const name of ['src', 'kept', '.git/hooks', 'sub'])
    mkdirSync(join(place.work, name), { recursive: true });
  mkdirSync(home(place, 'cache'));
  writeFileSync(join(place.work, '.gitmodules'), 'mine');
  writeFileSync(join(place.work, 'package.json'), 'mine');
  const targets = [
    'made',
    'src/made',
    'kept/made',
    'missing.lock',
    'package.json',
    '.gitmodules',
    '.git/hooks/pre-commit',
    '.git/config',
    '.bashrc',
    'sub/.vscode/tasks.json',
    'sub/deep/er/est/.mcp.json',
    '.claude/commands/x.md',
    home(place, 'cache/made'),
    home(place, 'made'),
    '/etc/made',
    '/usr/made',
  ];
  const script = targets
    .map((path) => `mkdir -p "$(dirname ${path})"; echo guest > ${path}`)
    .join('\n');
  const settings = {
    filesystem: {
      allowWrite: ['.', '~/cache', 'nowhere'],
      denyWrite: ['kept', '*.lock', 'package.json'],
    },
  };
  const { stderr } = run(place, settings, script);
  const there = targets.filter((path) => {
    const full = path.startsWith('/') ? path : join(place.work, path);
    return existsSync(full) && readFileSync(full, 'utf8') === 'guest\n';
  });
  assert.deepEqual(there, ['made', 'src/made', home(place, 'cache/made')], stderr);
  assert.equal(readFileSync(join(place.work, '.gitmodules'), 'utf8'), 'mine');
  assert.equal(readFileSync(join(place.work, 'package.json'), 'utf8'), 'mine');
  assert.match(stderr, /changes are kept: the policy protects what the run changed/);

  const nothing = run(
    place,
    { filesystem: { allowWrite: ['src'], denyWrite: ['.'] } },
    'echo x > src/second',
  );
  assert.notEqual(nothing.status, 0);
  assert.equal(existsSync(join(place.work, 'src/second')), false);
});

test('the working directory cannot be put aside, and another one in its place', () => {
  using place = makePlace();
  const inner = join(place.work, 'a/b');
  mkdirSync(inner, { recursive: true });
  const words = [
    'run',
    ...write(place, { filesystem: { allowWrite: ['../..'] } }),
    '--',
    'sh',
    '-c',
  ];
  const script = `echo x > ../beside; mv ../../a ../../moved; mv ../b ../c; mkdir -p ${inner}/.git/hooks; echo x > ${inner}/.git/hooks/post-checkout; echo x > made`;
  const { stderr } = place.caisson([...words, script], { cwd: inner });
  assert.match(stderr, /busy/i);
  assert.equal(existsSync(join(inner, '.git/hooks/post-checkout')), false);
  assert.equal(existsSync(join(place.work, 'moved')), false);
  assert.equal(existsSync(join(place.work, 'a/beside')), true, stderr);
  assert.equal(existsSync(join(inner, 'made')), true, stderr);
});

test('all may be written but what is denied, and what is always denied', () => {
  using place = makePlace();
  mkdirSync(home(place, 'other'));
  mkdirSync(home(place, 'shut'));
  const settings = { filesystem: { allowWrite: ['/'], denyWrite: ['~/shut'] } };
  const script = `echo x > ${home(place, 'other/made')}; echo x > ${home(place, 'shut/made')}; echo x > .bashrc; echo x > made`;
  const { stderr } = run(place, settings, script);
  assert.deepEqual(
    [home(place, 'other/made'), home(place, 'shut/made'), '.bashrc', 'made'].map((path) =>
      existsSync(path.startsWith('/') ? path : join(place.work, path)),
    ),
    [true, false, false, true],
    stderr,
  );
});

test('the settings themselves stay as they are', () => {
  using place = makePlace();
  const file = join(place.work, 'srt.json');
  writeFileSync(file, '{"filesystem": {"allowWrite": ["."]}}');
  const { stdout } = place.caisson([
    'run',
    '--srt-settings',
    'srt.json',
    '--',
    'sh',
    '-c',
    'echo {} > srt.json; echo x > other; echo done',
  ]);
  assert.equal(stdout, 'done\n');
  assert.equal(readFileSync(file, 'utf8'), '{"filesystem": {"allowWrite": ["."]}}');
  assert.equal(readFileSync(join(place.work, 'other'), 'utf8'), 'x\n');
});

test('unix sockets of the host are out of reach, unless all are allowed', async () => {
  using place = makePlace();
  const path = home(place, 'host.sock');
  let connected = 0;
  const server = createServer((socket) => {
    connected++;
    socket.end('host');
  }).listen(path);
  await once(server, 'listening');
  const { promisify } = await import('node:util');
  const execFile = promisify((await import('node:child_process')).execFile);
  const { entry } = await import('./caisson.ts');
  const script = `require('node:net').connect(${JSON.stringify(path)}).on('data', (d) => console.log(String(d))).on('error', (e) => console.log(e.code))`;
  const ask = async (network: object): Promise<string> => {
    const words = ['run', ...write(place, { network }), '--', 'node', '-e', script];
    const { stdout } = await execFile(entry, words, { cwd: place.work, env: place.environment });
    return stdout.trim();
  };
  try {
    assert.equal(await ask({}), 'EPERM');
    assert.equal(await ask({ allowUnixSockets: [path] }), 'EPERM');
    assert.equal(connected, 0);
    assert.equal(await ask({ allowAllUnixSockets: true }), 'host');
    assert.equal(connected, 1);
  } finally {
    server.close();
  }
});

test('the environment is passed on, but for what is denied', () => {
  using place = makePlace();
  const settings = { credentials: { envVars: [{ name: 'SECRET', mode: 'deny' }] } };
  const { stdout } = place.caisson(
    [
      'run',
      ...write(place, settings),
      '--',
      'sh',
      '-c',
      'echo "$SEEN|$SECRET|$HTTPS_PROXY|$SANDBOX_RUNTIME"',
    ],
    { environment: { SEEN: 'seen', SECRET: 'secret', HTTPS_PROXY: 'http://127.0.0.1:1' } },
  );
  assert.equal(stdout, 'seen|||1\n');
});

test('refused, and nothing is run: beside another policy, unknown fields, nobody to ask', () => {
  using place = makePlace();
  const refused = (settings: unknown, flags: readonly string[], told: RegExp): void => {
    const { status, stderr, stdout } = run(place, settings, 'echo ran; echo x > ran', flags);
    assert.equal(status, 64, stderr);
    assert.equal(stdout, '');
    assert.match(stderr, told);
  };
  for (const beside of [
    ['--level', 'none'],
    ['--profile', 'agent'],
    ['--workspace', 'none'],
  ]) {
    refused({}, beside, /--srt-settings and --.* cannot stand side by side/);
  }
  refused(
    { filesystem: { allowWrit: [] } },
    [],
    /srt\.json:1:\d+: filesystem\.allowWrit: unknown key \(did you mean allowWrite\?\)/,
  );
  refused(
    { network: { httpProxyPort: 1 } },
    [],
    /srt\.json:1:\d+: network\.httpProxyPort: a proxy of yours/,
  );
  refused({ network: { strictAllowlist: true } }, ['--ask'], /nobody may be asked/);
  assert.equal(place.caisson(['run', '--srt-settings', 'nowhere.json', '--', 'true']).status, 66);
  assert.equal(existsSync(join(place.work, 'ran')), false);
});

test('explain and policy show take them; flags add to them', () => {
  using place = makePlace();
  const flags = write(place, { network: { allowedDomains: ['b.org'] } });
  const shown = place.caisson(['policy', 'show', ...flags, '--net', 'c.org', '--memory', '1GiB']);
  assert.match(shown.stdout, /b\.org:\*/);
  assert.match(shown.stdout, /c\.org/);
  assert.match(shown.stdout, /memory: 1GiB/);
  assert.equal(place.caisson(['explain', ...flags]).status, 0);
});

test('settings that are not there: nobody is sent to make a policy', () => {
  using place = makePlace();
  const { status, stderr } = place.caisson(['run', '--srt-settings', 'nothing.json', '--', 'true']);
  assert.equal(status, 66);
  assert.match(stderr, /^ {2}correct the path of --srt-settings$/m);
  assert.doesNotMatch(stderr, /policy init/);
});
