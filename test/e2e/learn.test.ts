/**
 * `caisson learn` whole: a C project is built once under the trace; under what was learned the same build passes, and one
 * that needs another file fails and names it. As root and as an ordinary user.
 */
import assert from 'node:assert/strict';
import { type SpawnSyncReturns, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { parsePolicy } from '../../src/policy/parse.ts';
import { entry } from '../cli/caisson.ts';
import { needs } from '../escape/harness.ts';
import { until } from '../until.ts';

const USER = 65_532;
const asUser = ['setpriv', `--reuid=${USER}`, `--regid=${USER}`, '--clear-groups'];
/** What an ordinary user without a cgroup of his own goes on without. */
const ACCEPT = 'limits.memory:no-cgroup,limits.cpu:no-cgroup,groups:kept';

const MAKEFILE = `
CFLAGS = -O1 -Iinclude
OBJECTS = src/main.o src/list.o build/text.o
prog: $(OBJECTS)
\t$(CC) -o $@.new $(OBJECTS) && mv $@.new $@
build/text.o: src/text.c
\tmkdir -p build && $(CC) $(CFLAGS) -c -o $@ $<
test: prog
\t./prog > /tmp/said && grep -q three /tmp/said && rm /tmp/said
clean:
\trm -rf prog build src/*.o
`;

/** Several directories, a link, outputs beside inputs and apart from them. */
function makeProject(directory: string): void {
  for (const name of ['src', 'include', 'unused']) mkdirSync(join(directory, name));
  const files: Record<string, string> = {
    Makefile: MAKEFILE,
    'include/list.h': 'int sum(const int *list, int length);\n',
    'include/real-text.h': 'const char *word(int number);\n',
    'include/never.h': 'int never;\n',
    'src/main.c':
      '#include <stdio.h>\n#include "list.h"\n#include "text.h"\nint main(void) { int l[] = {1, 2}; return puts(word(sum(l, 2))) < 0; }\n',
    'src/list.c':
      '#include "list.h"\nint sum(const int *list, int length) { int s = 0; while (length--) s += list[length]; return s; }\n',
    'src/text.c':
      '#include "text.h"\nconst char *word(int number) { return number == 3 ? "three" : "?"; }\n',
    'unused/notes.txt': 'nobody reads this\n',
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
  symlinkSync('real-text.h', join(directory, 'include/text.h'));
}

interface Place extends Disposable {
  readonly work: string;
  run(...argv: string[]): SpawnSyncReturns<string>;
  caisson(...argv: string[]): SpawnSyncReturns<string>;
}

function makePlace(user: boolean): Place {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'caisson-learn-')));
  chmodSync(root, 0o755);
  const work = join(root, 'work');
  const home = join(root, 'home');
  for (const path of [work, home]) mkdirSync(path);
  makeProject(work);
  if (user) {
    for (const name of ['.', ...(readdirSync(root, { recursive: true }) as string[])]) {
      chownSync(realpathSync(join(root, name)), USER, USER);
    }
  }
  const run = (...argv: string[]): SpawnSyncReturns<string> => {
    const [program = '', ...args] = [...(user ? asUser : []), ...argv];
    return spawnSync(program, args, {
      cwd: work,
      env: { PATH: '/usr/local/bin:/usr/bin:/bin', HOME: home, LC_ALL: 'C' },
      encoding: 'utf8',
      timeout: 120_000,
    });
  };
  return {
    work,
    run,
    caisson: (...argv) => run(entry, ...argv),
    [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true }),
  };
}

function skipReason(user: boolean): string | false {
  // Without root the limits of a strict policy need a cgroup of one's own; the user's test says what it goes on without.
  if (!user || needs.rootAndGcc !== false) return needs.rootAndGcc;
  const [program = '', ...args] = [...asUser, 'test', '-x', entry];
  return spawnSync(program, args).status === 0 ? false : 'the clone is not open to other users';
}

for (const user of [false, true]) {
  const who = user ? 'an ordinary user' : 'the caller';
  test(`a C project's build, learned by ${who}`, { skip: skipReason(user) }, async (t) => {
    using place = makePlace(user);
    await buildLearned(t, place, user);
  });
}

async function buildLearned(t: TestContext, place: Place, user: boolean): Promise<void> {
  const { work } = place;
  const learned = place.caisson('learn', '-o', 'policy.yaml', '--', 'make', 'test');
  assert.equal(learned.status, 0, learned.stderr);
  assert.match(learned.stderr, /WITHOUT isolation/);
  const text = readFileSync(join(work, 'policy.yaml'), 'utf8');
  const runLearned = (...argv: string[]) =>
    place.caisson(
      'run',
      ...(user ? ['--accept', ACCEPT] : []),
      '--policy',
      'policy.yaml',
      '--',
      ...argv,
    );
  const clean = (): void => {
    assert.equal(place.run('make', '-s', 'clean').status, 0);
  };

  await t.test('names each file that was used and none besides', () => {
    const { read, write } = parsePolicy(text, { source: 'policy.yaml' });
    const below = (set: typeof read) =>
      set.rules.flatMap(({ path }) =>
        path.startsWith('$workspace/') ? [path.slice('$workspace/'.length)] : [],
      );
    assert.deepEqual(below(read), [
      'Makefile',
      'include/list.h',
      'include/real-text.h',
      'include/text.h',
      'src/list.c',
      'src/main.c',
      'src/text.c',
    ]);
    assert.deepEqual(below(write), ['build', 'prog', 'src/list.o', 'src/main.o']);
  });

  await t.test('the same build passes, and its outputs come out', () => {
    clean();
    const again = runLearned('make', 'test');
    assert.equal(again.status, 0, again.stdout + again.stderr);
    for (const name of ['prog', 'build/text.o', 'src/main.o']) {
      assert.ok(statSync(join(work, name)).size > 0, name);
    }
    assert.match(place.run('./prog').stdout, /three/);
  });

  await t.test('one that needs another file fails and names it', () => {
    clean();
    const before = readFileSync(join(work, 'src/list.c'), 'utf8');
    // One that was there all along, and one that is new.
    for (const name of ['never.h', 'extra.h']) {
      writeFileSync(join(work, 'include/extra.h'), 'int extra;\n');
      writeFileSync(join(work, 'src/list.c'), `#include "${name}"\n${before}`);
      const more = runLearned('make', 'test');
      assert.notEqual(more.status, 0);
      assert.match(more.stderr, new RegExp(`${name}: No such file or directory`));
      assert.equal(existsSync(join(work, 'prog')), false);
    }
    // Without the policy it builds: nothing but the policy stood in its way.
    assert.equal(place.run('make', 'test').status, 0);
    writeFileSync(join(work, 'src/list.c'), before);
  });

  await t.test('a build that makes another file is told, and the file stays inside', () => {
    clean();
    appendFileSync(join(work, 'Makefile'), 'all: prog\n\techo more > unasked\n');
    const more = runLearned('make', 'all');
    assert.equal(existsSync(join(work, 'unasked')), false);
    assert.equal(existsSync(join(work, 'prog')), true);
    assert.match(more.stderr, /does not let out/);
  });
}

test('--tighten says what a policy allows that was never used', { skip: needs.gcc }, () => {
  using place = makePlace(false);
  const policy = [
    'version: 1',
    'level: strict',
    'filesystem:',
    '  read: [include, unused, Makefile]',
    '  write: [.]',
    'network: {allow: [example.org]}',
    'syscalls: {allow: [personality]}',
    'limits: {memory: 8GiB}',
  ];
  writeFileSync(join(place.work, 'policy.yaml'), `${policy.join('\n')}\n`);
  const line = ['learn', '--tighten', 'policy.yaml'];
  const run = place.caisson(...line, '--json', '--', 'make', 'prog');
  assert.equal(run.status, 0, run.stderr);
  const { unused } = JSON.parse(run.stdout) as {
    unused: { clause: string; entry: string; instead?: string[] }[];
  };
  const of = (clause: string) => unused.filter((each) => each.clause === clause);
  assert.deepEqual(
    of('filesystem.write').map(({ entry: path, instead }) => [path, instead]),
    [['.', ['build', 'prog', 'src/list.o', 'src/main.o']]],
  );
  assert.deepEqual(
    of('network.allow').map(({ entry: host }) => host),
    ['example.org'],
  );
  assert.deepEqual(
    of('syscalls.allow').map(({ entry: name }) => name),
    ['personality'],
  );
  assert.equal(of('limits.memory')[0]?.entry, '8GiB');

  assert.equal(place.run('make', '-s', 'clean').status, 0);
  const said = place.caisson(...line, '--', 'make', 'prog');
  assert.match(said.stdout, /network\.allow: example\.org: never connected to/);
});

test('what the command does on the network, with calls and beside the workspace, is noted', () => {
  using place = makePlace(false);
  const home = join(place.work, '../home');
  mkdirSync(join(home, '.ssh'));
  writeFileSync(join(home, '.ssh/id_ed25519'), 'key\n');
  const script = [
    'import socket, os, threading',
    `open(${JSON.stringify(join(realpathSync(home), '.ssh/id_ed25519'))}).read()`,
    'os.sync()',
    's = socket.socket(); s.settimeout(0.2)',
    "s.connect_ex(('192.0.2.7', 8443))",
    // Two resolvers that are not there: a query on a connected socket, and one with its address.
    'ask = lambda name: bytes.fromhex("000101000001000000000000") + name + bytes.fromhex("0000010001")',
    'u = socket.socket(type=socket.SOCK_DGRAM); u.connect(("127.0.0.53", 53))',
    'u.send(ask(b"\\x05never\\x07example"))',
    'v = socket.socket(type=socket.SOCK_DGRAM)',
    'v.sendto(ask(b"\\x05other\\x07example"), ("127.0.0.54", 53))',
    'l = socket.socket(); l.bind(("127.0.0.1", 18432)); l.listen()',
    'socket.create_connection(("127.0.0.1", 18432))',
    'threading.Thread(target=lambda: open("from-thread", "w").write("x")).start()',
  ];
  writeFileSync(join(place.work, 'script.py'), `${script.join('\n')}\n`);
  const child = place.caisson('learn', '--json', '--', '/usr/bin/python3', 'script.py');
  assert.equal(child.status, 0, child.stderr);
  const { policy, notes } = JSON.parse(child.stdout) as {
    policy: {
      filesystem: { read: string[]; write: string[] };
      network: { allow: string[]; listen: number[] };
      syscalls: { allow: string[] };
    };
    notes: string[];
  };
  assert.deepEqual(policy.network.allow, ['192.0.2.7/32:8443']);
  assert.deepEqual(policy.network.listen, [18432]);
  assert.deepEqual(policy.syscalls.allow, ['sync']);
  assert.deepEqual(policy.filesystem.write, ['from-thread']);
  assert.ok(policy.filesystem.read.includes('script.py'));
  assert.ok(notes.some((note) => /never\.example, other\.example .* none of them/.test(note)));
  assert.ok(notes.some((note) => note.includes('CAREFUL') && note.includes('id_ed25519')));
});

test('the exit code is the command’s; what cannot run, and a file that exists, are told', () => {
  using place = makePlace(false);
  const failed = place.caisson('learn', '--', 'sh', '-c', 'exit 3');
  assert.equal(failed.status, 3);
  assert.match(failed.stdout, /# - the command failed/);
  const killed = place.caisson('learn', '--', 'sh', '-c', 'kill -9 $$');
  assert.equal(killed.status, 137);
  const missing = place.caisson('learn', '--', './nothing');
  assert.equal(missing.status, 127);
  writeFileSync(join(place.work, 'there'), 'mine');
  const over = place.caisson('learn', '-o', 'there', '--', 'touch', 'ran');
  assert.equal(over.status, 64);
  assert.equal(existsSync(join(place.work, 'ran')), false);
  assert.equal(readFileSync(join(place.work, 'there'), 'utf8'), 'mine');
});

/** A zombie has no command line any more, and a number may be another's by now. */
function isSleep(pid: string, seconds: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8') === `sleep\0${seconds}\0`;
  } catch {
    return false;
  }
}

test('processes that outlive the command are ended and told', () => {
  using place = makePlace(false);
  const pidFile = join(place.work, 'pid');
  const left = place.caisson('learn', '--', 'sh', '-c', `sleep 60 & echo $! > ${pidFile}`);
  assert.equal(left.status, 0, left.stderr);
  assert.match(left.stdout, /still there when it ended/);
  assert.ok(!isSleep(readFileSync(pidFile, 'utf8').trim(), 60));
});

for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
  test(`the command ends with who asked for it: ${signal}`, async () => {
    using place = makePlace(false);
    const pidFile = join(place.work, 'pid');
    const script = `sleep 61 & echo $! > ${pidFile}.new; mv ${pidFile}.new ${pidFile}; wait`;
    const child = spawn(entry, ['learn', '--', 'sh', '-c', script], {
      cwd: place.work,
      stdio: 'ignore',
    });
    const ended = once(child, 'exit');
    await until('the command runs', () => existsSync(pidFile));
    const pid = readFileSync(pidFile, 'utf8').trim();
    child.kill(signal);
    await ended;
    await until('it is ended', () => !isSleep(pid, 61));
  });
}
