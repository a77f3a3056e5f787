/** Observations to a policy and its text: what is named, what is left to a person, and that the text is the policy. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { learnDestinations } from '../../src/learn/destinations.ts';
import { refusedCalls } from '../../src/learn/learned-calls.ts';
import { type LearnContext, learnPolicy } from '../../src/learn/learned-policy.ts';
import type { Observations, PathUse } from '../../src/learn/observations.ts';
import { tighten } from '../../src/learn/tighten.ts';
import { writePolicy } from '../../src/learn/write-policy.ts';
import { syscallNames } from '../../src/plan/seccomp/numbers.ts';
import { digestPolicy } from '../../src/policy/digest.ts';
import { parsePolicy, policyFromDocument } from '../../src/policy/parse.ts';

const X86_64 = 0xc000003e;

function use(path: string, did: Partial<PathUse> = { read: true }): PathUse {
  return {
    before: 'f',
    read: false,
    executed: false,
    looked: false,
    listed: false,
    written: false,
    created: false,
    deleted: false,
    ...did,
    path,
  };
}

function seenOf(paths: readonly PathUse[], more: Partial<Observations> = {}): Observations {
  return {
    paths: new Map(paths.map((each) => [each.path, each])),
    connections: [],
    sockets: [],
    listening: [],
    listensAnywhere: false,
    names: [],
    calls: [],
    ...more,
  };
}

const end = {
  status: 0,
  wallMs: 100,
  cpuMs: 90,
  maxRssBytes: 1 << 20,
  peakRssBytes: 500 << 20,
  peakTasks: 40,
  notifications: 9,
  left: 0,
};

const made = { written: true, created: true, before: '-' } as const;

function learnFrom(seen: Observations, more: Partial<LearnContext> = {}) {
  return learnPolicy(seen, learnDestinations(seen.connections, new Map(), seen.listening), {
    argv: ['make'],
    end,
    workspace: '/home/me/work',
    home: '/home/me',
    kindNow: (path) => (path.endsWith('.gone') ? '-' : path.endsWith('.d') ? 'd' : 'f'),
    count: () => 1000,
    etc: ['/etc/passwd', '/etc/ssl'],
    cores: 8,
    largestFileBytes: 3,
    ...more,
  });
}

const work = '/home/me/work';

test('files of the workspace one by one, what every sandbox shows not at all', () => {
  const { document } = learnFrom(
    seenOf([
      use(`${work}/main.c`),
      use(`${work}/sub/tool`, { executed: true }),
      use(`${work}/!odd`),
      use(`${work}`, { listed: true, before: 'd' }),
      use(`${work}/sub`, { looked: true, before: 'd' }),
      use(`${work}/stale.o`, { looked: true, written: true }),
      use(`${work}/out.d`, made),
      use(`${work}/out.d/a`, made),
      use(`${work}/temporary.gone`, { ...made, deleted: true }),
      use(`${work}/input.gone`, { written: true, deleted: true }),
      use('/usr/bin/gcc'),
      use('/etc/passwd'),
      use('/etc/ssl/certs/ca.crt'),
      use('/etc/special.conf'),
      use('/tmp/scratch', made),
      use('/proc/self/maps'),
      use('/dev/null', { before: 's', written: true }),
      use('/dev/kvm', { before: 's', read: true }),
    ]),
  );
  assert.deepEqual(document.filesystem, {
    read: ['./!odd', 'main.c', 'sub/tool', '/etc/special.conf'],
    write: ['input.gone', 'out.d', 'stale.o'],
    workspace: 'staged',
    apply: 'auto',
  });
  assert.deepEqual(document.devices, ['/dev/kvm']);
});

test('a library outside folds into its directory, never into a home, the root or what holds the workspace', () => {
  const many = (directory: string) =>
    Array.from({ length: 12 }, (_, i) => use(`${directory}/file${i}`));
  const { document } = learnFrom(
    seenOf([...many('/home/me/.tool/lib'), ...many('/home/me'), ...many('/srv')]),
  );
  const read = document.filesystem?.read ?? [];
  assert.ok(read.includes('/home/me/.tool/lib'));
  assert.equal(read.filter((path) => path.startsWith('/home/me/file')).length, 12);
  assert.equal(read.filter((path) => path.startsWith('/srv/file')).length, 12);
  assert.equal(document.environment?.set?.HOME, '/home/me');
});

test('more files than a policy lists: directories stand for some, and it is said', () => {
  const paths = Array.from({ length: 600 }, (_, i) => use(`${work}/d${i % 30}/f${i}`));
  const { document, notes } = learnFrom(seenOf(paths));
  const read = document.filesystem?.read ?? [];
  assert.ok(read.length <= 256);
  assert.ok(!read.includes('.'));
  assert.ok(notes.some((note) => note.includes('more than a policy lists')));
  for (const { path } of paths) {
    const name = path.slice(work.length + 1);
    assert.ok(
      read.some((each) => name === each || name.startsWith(`${each}/`)),
      name,
    );
  }
});

test('secrets, services, failures and what outlived the command are pointed at', () => {
  const { notes, read } = learnFrom(
    seenOf([use('/home/me/.ssh/id_rsa'), use(`${work}/.env`), use('/home/me/new', made)], {
      sockets: ['@bus', '/run/db.sock'],
      names: ['never.example'],
      listensAnywhere: true,
    }),
    {
      end: { ...end, status: 256, left: 2 },
      kindNow: (path) => (path.endsWith('.sock') ? 's' : 'f'),
    },
  );
  const expected = [
    /command failed/,
    /2 of its processes/,
    /CAREFUL.*id_rsa/,
    /CAREFUL.*\.env/,
    /changes \/home\/me\/new/,
    /abstract socket @bus/,
    /\/run\/db\.sock/,
    /never\.example/,
    /kernel chose/,
  ];
  for (const each of expected)
    assert.ok(
      notes.some((note) => each.test(note)),
      String(each),
    );
  assert.ok(read.find(({ text }) => text === '.env')?.reason.startsWith('CAREFUL'));
});

test('calls outside the preset: allowed where a policy can, told where it cannot', () => {
  const numberOf = (name: string) =>
    [...syscallNames.x86_64].find(([, each]) => each === name)?.[0] as number;
  const call = (name: string) => ({ arch: X86_64, number: numberOf(name), detail: 0 });
  const calls = [call('sync'), call('bpf'), call('clone3'), call('openat')];
  const { document, notes } = learnFrom(
    seenOf([], { calls: [...calls, { arch: 0x40000003, number: 5, detail: 0 }] }),
  );
  assert.deepEqual(document.syscalls, { allow: ['sync'] });
  assert.ok(notes.some((note) => note.includes('bpf')));
  assert.ok(notes.some((note) => note.includes('another architecture')));
  assert.ok(refusedCalls('x86_64').includes(numberOf('sync')));
  assert.ok(!refusedCalls('x86_64').includes(numberOf('read')));
  assert.ok(refusedCalls('aarch64').length > 50);
});

test('limits leave head-room over peaks, and never stand below what any change needs', () => {
  const { document } = learnFrom(seenOf([]));
  assert.deepEqual(document.limits, {
    timeout: '30s',
    cpuTime: '10s',
    cpu: 8,
    memory: '1008MiB',
    processes: 80,
    fileSize: '64MiB',
  });
});

test('a workspace of which nothing can be named is none', () => {
  const learned = learnFrom(seenOf([use(`${work}/* `)]));
  assert.equal(learned.document.filesystem?.workspace, 'none');
});

test('the text says the document, with names that a hostile run chose', () => {
  const name = fc
    .string({ unit: 'grapheme', minLength: 1, maxLength: 12 })
    .filter((text) => !/[/\0]/.test(text) && text !== '.' && text !== '..');
  const odd = fc.constantFrom(
    'a: b',
    '- x',
    '# c',
    'true',
    '1e5',
    '~',
    "'",
    '"',
    'x\ny',
    '%',
    '&a',
    '*',
    '\u2028',
  );
  fc.assert(
    fc.property(fc.array(fc.oneof(name, odd), { maxLength: 12 }), fc.string(), (names, word) => {
      const learned = learnFrom(
        seenOf(names.flatMap((each) => [use(`${work}/${each}`), use(`${work}/new-${each}`, made)])),
      );
      const text = writePolicy(learned, ['make', word]);
      const parsed = parsePolicy(text, { source: 'learned.yaml', home: '/home/me' });
      const direct = policyFromDocument(learned.document, { home: '/home/me' });
      assert.equal(digestPolicy(parsed), digestPolicy(direct));
    }),
  );
});

test('tighten: nothing to say of what was learned; each unused clause of a wider policy', () => {
  const seen = seenOf([use(`${work}/a`), use('/srv/data/x'), use(`${work}/out`, made)], {
    connections: [
      {
        address: '192.0.2.1',
        port: 443,
        protocol: 'tcp',
        sent: false,
        namesAtFirst: 0,
        namesAtLast: 0,
      },
    ],
    listening: [8080],
  });
  const learned = learnFrom(seen);
  const same = policyFromDocument(learned.document, { home: '/home/me' });
  assert.deepEqual(tighten(same, learned), []);

  const wide = policyFromDocument(
    {
      level: 'strict',
      filesystem: { read: ['/srv', '/var/log', 'a'], write: ['.'], sys: true },
      network: { allow: ['192.0.2.1:443', '*.example.org:1-9'], listen: [8080, 9090] },
      syscalls: { allow: ['sync'] },
      devices: ['/dev/fuse'],
      limits: { memory: '64GiB', timeout: null },
    },
    { home: '/home/me' },
  );
  assert.deepEqual(
    tighten(wide, learned).map(({ clause, entry, instead }) => [clause, entry, instead]),
    [
      ['filesystem.read', '/srv', ['/srv/data/x']],
      ['filesystem.read', '/var/log', undefined],
      ['filesystem.write', '.', ['out']],
      ['network.allow', '*.example.org:1-9', undefined],
      ['network.listen', '9090', undefined],
      ['syscalls.allow', 'sync', undefined],
      ['devices', '/dev/fuse', undefined],
      ['filesystem.sys', 'true', undefined],
      ['limits.timeout', 'no limit', ['30s']],
      ['limits.cpuTime', 'no limit', ['10s']],
      ['limits.memory', '64GiB', ['1008MiB']],
      ['limits.fileSize', '256MiB', ['64MiB']],
    ],
  );
});
