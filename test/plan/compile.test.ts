import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type ErrorCode, isCaissonError } from '../../src/core/error.ts';
import { requireEnforceable } from '../../src/plan/accept.ts';
import { type CompileOptions, compile, compileForExplain } from '../../src/plan/compile.ts';
import { explain, renderExplanation } from '../../src/plan/explain.ts';
import type { HostFacts } from '../../src/plan/facts.ts';
import { escapeTests } from '../../src/plan/findings.ts';
import { RLIMIT } from '../../src/plan/limits.ts';
import type { Compiled, KindPlan, Mount } from '../../src/plan/plan.ts';
import type { PolicyDocument } from '../../src/policy/document.ts';
import { LEVEL_NAMES } from '../../src/policy/levels.ts';
import { policyFromDocument } from '../../src/policy/parse.ts';
import { levelPolicy } from '../../src/policy/presets.ts';
import { capableHost, oldHierarchies, ordinaryUser } from './made-up-facts.ts';

type Document = Omit<PolicyDocument, 'version'>;

const policyOf = (document: Document) => policyFromDocument({ version: 1, ...document });

function compiled(document: Document, facts: HostFacts = capableHost, options?: CompileOptions) {
  return compile(policyOf(document), facts, options);
}

function kindOf(
  document: Document,
  facts: HostFacts = capableHost,
  options?: CompileOptions,
): KindPlan {
  const result = compiled(document, facts, options);
  assert.equal(result.wall, 'process');
  return (result as Extract<Compiled, { wall: 'process' }>).kind;
}

function throws(code: ErrorCode, run: () => unknown) {
  try {
    run();
  } catch (error) {
    assert.ok(isCaissonError(error));
    assert.equal(error.code, code);
    return error;
  }
  assert.fail('nothing was thrown');
}

const targets = (mounts: readonly Mount[]) => mounts.map(({ target }) => target);
const ids = ({ unenforceable }: Compiled) => unenforceable.map(({ id }) => id);
const rlimit = (kind: KindPlan, resource: number) =>
  kind.rlimits.find((each) => each.resource === resource)?.hard;

test('every level on every made-up host: the same input gives the same plan', () => {
  const level = fc.constantFrom(...LEVEL_NAMES);
  const abi = fc.integer({ min: 0, max: 7 });
  const host = fc.constantFrom(capableHost, ordinaryUser, oldHierarchies);
  fc.assert(
    fc.property(level, abi, host, (name, landlockAbi, base) => {
      const facts = { ...base, landlockAbi };
      const once = compileForExplain(levelPolicy(name), facts);
      const again = compileForExplain(structuredClone(levelPolicy(name)), structuredClone(facts));
      assert.deepEqual(once, again);
    }),
  );
});

test('less memory than it takes to set a sandbox up is refused before anything is made', () => {
  const of = (memory: string) => () => compiled({ level: 'strict', limits: { memory } });
  throws('POLICY_INVALID', of('1B'));
  throws('POLICY_INVALID', of('1023KiB'));
  of('1MiB')();
});

test('the root comes first, read-only; nothing that sandboxes share can be written', () => {
  const { mounts } = kindOf({ level: 'strict' });
  assert.equal(mounts[0]?.target, '/');
  for (const mount of mounts) {
    if (mount.kind === 'bind') assert.ok(mount.flags.includes('readonly'), mount.target);
    if (mount.kind === 'tmpfs') {
      const kept = mount.flags.includes('private') || mount.flags.includes('readonly');
      assert.ok(kept, mount.target);
    }
  }
});

test('every mount of the host is nosuid and nodev, and none of it idmapped in the plan', () => {
  const { mounts } = kindOf({ level: 'moderate', filesystem: { sys: true } });
  for (const mount of mounts) {
    if (!('flags' in mount)) continue;
    assert.ok(mount.flags.includes('nosuid'), mount.target);
    /* Device nodes work on the sandbox's own /dev alone. */
    assert.equal(mount.flags.includes('nodev'), mount.target !== '/dev', mount.target);
    assert.ok(!mount.flags.includes('idmap'), mount.target);
  }
});

test("the host's passwd, shadow, home and devices are not in the plan", () => {
  const kind = kindOf({ level: 'strict' });
  const sources = kind.mounts.flatMap((mount) =>
    mount.kind === 'bind' || mount.kind === 'device' ? [mount.source] : [],
  );
  assert.deepEqual(sources.sort(), [
    '/dev/full',
    '/dev/null',
    '/dev/random',
    '/dev/tty',
    '/dev/urandom',
    '/dev/zero',
    '/etc/ld.so.cache',
    '/etc/ssl/certs',
    '/opt',
    '/usr',
  ]);
  const passwd = kind.mounts.find(({ target }) => target === '/etc/passwd');
  assert.equal(passwd?.kind, 'file');
});

test('the proc of a sandbox comes before its masks', () => {
  const mounts = targets(kindOf({ level: 'strict' }).mounts);
  assert.ok(mounts.indexOf('/proc') < mounts.indexOf('/proc/kcore'));
  assert.ok(mounts.includes('/proc/sysrq-trigger') && mounts.includes('/proc/keys'));
});

test('/sys is there where asked for alone', () => {
  assert.ok(!targets(kindOf({ level: 'strict' }).mounts).includes('/sys'));
  assert.ok(targets(kindOf({ filesystem: { sys: true } }).mounts).includes('/sys'));
});

test('a network of its own unless the whole network is named', () => {
  assert.ok(kindOf({ level: 'strict' }).namespaces.includes('net'));
  const open = kindOf({ network: { mode: 'full' } });
  assert.ok(!open.namespaces.includes('net'));
  const resolver = open.mounts.find(({ target }) => target === '/etc/resolv.conf');
  assert.ok(resolver?.kind === 'file' && resolver.content.includes('192.0.2.1'));
});

describe('a filtered network', () => {
  const network = { allow: ['example.org:443', '10.0.0.0/8:5432', '*.example.org:80'] };

  test('is a namespace of its own, with the filter and the resolver; connecting is left to the proxy', () => {
    const kind = kindOf({ level: 'strict', network });
    assert.ok(kind.namespaces.includes('net'));
    assert.deepEqual(kind.network, { mode: 'filtered' });
    const resolver = kind.mounts.find(({ target }) => target === '/etc/resolv.conf');
    assert.ok(resolver?.kind === 'file' && resolver.content === 'nameserver 127.0.0.1\n');
    // A port that Landlock refused, the proxy could tell nobody of.
    assert.deepEqual(kind.landlock?.ports, []);
    assert.equal(kind.landlock?.handledNet, 1n, 'binding alone');
  });

  test('may listen on what its policy names', () => {
    const kind = kindOf({ level: 'strict', network: { allow: ['*:*'], listen: [80] } });
    assert.deepEqual(kind.landlock?.ports, [{ port: 80, access: 1n }]);
    assert.equal(kind.landlock?.handledNet, 1n);
  });

  test('at a level without Landlock on ports has none', () => {
    assert.equal(kindOf({ level: 'moderate', network }).landlock?.handledNet, 0n);
  });

  test('says of each rule whether it holds by name or by address', () => {
    const { enforced, notes } = compiled({ level: 'strict', network });
    const rows = enforced.filter(({ clause }) => clause === 'network.allow');
    assert.deepEqual(
      rows.map(({ value }) => value.split(/, (?=by)|[;(]/)[1]?.trim()),
      ['by name', 'by address, whatever name it carries', 'by name'],
    );
    for (const { mechanisms } of rows) assert.ok(mechanisms.includes('egress proxy'));
    assert.ok(notes.some((note) => note.includes('domain fronting')));
  });

  test('lets narrow rules for UDP through, and says that nothing within QUIC is checked', () => {
    const udp: Document['network'] = {
      mode: 'filtered',
      allow: ['a.example:123/udp', '192.0.2.1:443/udp', 'a.example:443'],
    };
    const { enforced, unenforceable, notes } = compiled({ network: udp });
    assert.deepEqual(unenforceable, []);
    const rows = enforced.filter(({ test: name }) => name.includes('/network-udp.'));
    assert.deepEqual(
      rows.map(({ value }) => value),
      [
        '192.0.2.1/32/udp: datagrams by address, whatever is in them',
        'a.example:123/udp: datagrams by an address that the resolver gave for it, whatever is in them',
      ],
    );
    assert.ok(notes.some((note) => /192\.0\.2\.1\/32\/udp lets QUIC through/.test(note)));
    assert.ok(!notes.some((note) => /a\.example:123\/udp lets QUIC through/.test(note)));
  });

  test('is refused where nftables does not work, and no --accept lifts that', () => {
    const result = compiled({ network }, { ...capableHost, networkFilterErrno: 93 });
    assert.deepEqual(ids(result), ['network.filtered:no-tproxy']);
    const error = throws('UNENFORCEABLE', () =>
      requireEnforceable(result, ['network.filtered:no-tproxy']),
    );
    assert.doesNotMatch(error.hint ?? '', /--accept/);
    const { networkFilterErrno: _, ...unknown } = capableHost;
    assert.deepEqual(ids(compiled({ network }, unknown)), ['network.filtered:no-tproxy']);
  });

  test('with secrets is refused where their values would lie in ordinary memory, unless that is accepted', () => {
    const network: Document['network'] = {
      allow: ['a.example'],
      intercept: true,
      secrets: { TOKEN: ['a.example'] },
    };
    const rows = (result: Compiled) =>
      result.enforced.filter(({ test: name }) => name.includes('/secret-holder.'));
    const able = compiled({ network });
    assert.deepEqual(ids(able), []);
    assert.ok(rows(able)[0]?.mechanisms.includes('memfd_secret'));
    const { secretMemoryErrno: _, ...unknown } = capableHost;
    for (const facts of [{ ...capableHost, secretMemoryErrno: 38 }, unknown]) {
      const result = compiled({ network }, facts);
      assert.deepEqual(ids(result), ['network.secrets:no-secret-memory']);
      throws('UNENFORCEABLE', () => requireEnforceable(result, []));
      requireEnforceable(result, ['network.secrets:no-secret-memory']);
      assert.ok(!rows(result)[0]?.mechanisms.includes('memfd_secret'));
    }
    assert.deepEqual(rows(compiled({ network: { allow: ['a.example'] } })), []);
  });

  test('is internal: set up as a filtered one, with a resolver, and refused where that cannot be', () => {
    const network: Document['network'] = { mode: 'internal', group: 'a', listen: [80] };
    const { enforced, unenforceable } = compiled({ network });
    assert.deepEqual(unenforceable, []);
    assert.deepEqual(kindOf({ network }).network, { mode: 'filtered' });
    const rows = enforced.filter(({ test: name }) => name.includes('/network-internal.'));
    assert.deepEqual(
      rows.map(({ clause }) => clause),
      ['network.listen', 'network.internal'],
    );
    const result = compiled({ network }, { ...capableHost, networkFilterErrno: 93 });
    assert.deepEqual(ids(result), ['network.internal:no-tproxy']);
  });

  test('is refused for what is not built: wide rules for UDP, denials by name within the whole network', () => {
    const rows: [Document['network'], string][] = [
      [{ allow: ['a.example:1-17/udp'] }, 'network.udp:too-wide'],
      [{ allow: ['192.0.2.0/25:123/udp'] }, 'network.udp:too-wide'],
      [{ allow: ['0.0.0.0/0:53/udp'] }, 'network.udp:too-wide'],
      [{ allow: ['[::]/0:*/udp'] }, 'network.udp:too-wide'],
      [{ allow: ['127.0.0.1:53/udp'] }, 'network.udp:too-wide'],
      [{ allow: ['224.0.0.1:53/udp'] }, 'network.udp:too-wide'],
      [
        {
          allow: [
            '192.0.2.1:1-60/udp',
            '192.0.2.2:1-60/udp',
            '192.0.2.3:1-60/udp',
            '192.0.2.4:1-60/udp',
            '192.0.2.5:1-60/udp',
          ],
        },
        'network.udp:too-wide',
      ],
      [{ mode: 'full', deny: ['a.example:*'] }, 'network.deny:by-name'],
    ];
    for (const [what, id] of rows) {
      const { unenforceable } = compiled({ network: what });
      assert.deepEqual(
        unenforceable.map((one) => [one.id, one.acceptable]),
        [[id, false]],
      );
    }
  });
});

test('cgroup v2 and v1 carry the limits of strict', () => {
  for (const facts of [capableHost, oldHierarchies]) {
    const result = compiled({ level: 'strict' }, facts);
    assert.deepEqual(ids(result), []);
    assert.deepEqual(kindOf({ level: 'strict' }, facts).cgroup, {
      memoryMaxBytes: 512 * 2 ** 20,
      swapMaxBytes: 0,
      pidsMax: 128,
      cpuQuotaUs: 100_000,
      cpuPeriodUs: 100_000,
    });
    const row = result.enforced.find(({ clause }) => clause === 'limits.memory');
    assert.deepEqual(row?.mechanisms, [`cgroup ${facts.cgroup.version} memory`]);
  }
});

test('an ordinary user without cgroups: strict is refused with the exact --accept, and runs with it', () => {
  const result = compiled({ level: 'strict' }, ordinaryUser);
  const error = throws('UNENFORCEABLE', () => requireEnforceable(result, []));
  const accept = /--accept ([^\s)]+)/.exec(error.hint ?? '')?.[1]?.split(',') ?? [];
  assert.deepEqual(accept, ['limits.memory:no-cgroup', 'limits.cpu:no-cgroup']);
  assert.match(error.hint ?? '', /systemd-run --user --scope/);
  assert.deepEqual(requireEnforceable(result, accept), accept);
  assert.equal(kindOf({ level: 'strict' }, ordinaryUser).cgroup, undefined);
});

test('accepting one of two still refuses, and the hint names both', () => {
  const result = compiled({ level: 'strict' }, ordinaryUser);
  const error = throws('UNENFORCEABLE', () => requireEnforceable(result, ['limits.cpu:no-cgroup']));
  assert.match(
    error.hint ?? '',
    /accept \["limits\.memory:no-cgroup","limits\.cpu:no-cgroup"\] \(--accept limits\.memory:no-cgroup,limits\.cpu:no-cgroup\)$/,
  );
});

test('an ordinary user without cgroups: moderate runs as it is and says what is weaker', () => {
  const result = compiled({ level: 'moderate' }, ordinaryUser);
  assert.deepEqual(requireEnforceable(result, []), []);
  assert.ok(result.notes.some((note) => note.includes('limits.memory')));
  const kind = kindOf({ level: 'moderate' }, ordinaryUser);
  assert.equal(rlimit(kind, RLIMIT.data), 4n * 2n ** 30n);
  assert.ok(!result.enforced.some(({ clause }) => clause === 'limits.memory'));
});

test('notes: groups that stay, sockets below named paths, protection of what is written directly', () => {
  const notes = (document: Parameters<typeof compiled>[0], facts = capableHost) =>
    compiled(document, facts).notes.join('\n');
  const row = (facts: typeof capableHost) =>
    compiled({ level: 'moderate' }, facts).enforced.find(({ clause }) => clause === 'groups');
  assert.match(row(capableHost)?.value ?? '', /alone/);
  const groups = { ...ordinaryUser, supplementaryGroups: [27, 999] };
  assert.doesNotMatch(row(groups)?.value ?? '', /alone/);
  assert.match(notes({ level: 'moderate' }, groups), /groups: .*\(27, 999\)/);

  assert.doesNotMatch(notes({ level: 'strict' }), /socket/);
  assert.match(
    notes({ filesystem: { read: ['/srv/data'] } }),
    /unix socket below \/srv\/data can be connected to/,
  );
  const agent = { read: ['.'], write: ['.'], protect: ['.env'] };
  assert.doesNotMatch(notes({ filesystem: { ...agent, workspace: 'overlay' } }), /renames another/);
  assert.match(
    notes({ filesystem: { ...agent, workspace: 'direct' } }),
    /renames another one over/,
  );
  assert.match(
    notes({ filesystem: agent }, { ...capableHost, idmap: 22 }),
    /refuses idmapped mounts; a workspace on it is refused, with an overlay too/,
  );
});

test('without pids cgroups RLIMIT_NPROC is the limit where it is counted per namespace, else there is none', () => {
  const now = compiled({ level: 'strict' }, ordinaryUser);
  assert.equal(rlimit(kindOf({ level: 'strict' }, ordinaryUser), RLIMIT.processes), 128n);
  const row = now.enforced.find(({ clause }) => clause === 'limits.processes');
  assert.match(row?.mechanisms[0] ?? '', /RLIMIT_NPROC/);
  const before = compiled({ level: 'strict' }, { ...ordinaryUser, kernel: '5.10.0-28-amd64' });
  assert.ok(ids(before).includes('limits.processes:no-cgroup'));
  assert.ok(!before.enforced.some(({ clause }) => clause === 'limits.processes'));
});

test('with pids cgroups RLIMIT_NPROC lies further out, so that the cgroup counts the refusals', () => {
  const kind = kindOf({ level: 'strict' });
  assert.ok((rlimit(kind, RLIMIT.processes) ?? 0n) > BigInt(kind.cgroup?.pidsMax ?? 0));
});

test('no rlimit asks for more than the host allows', () => {
  const kind = kindOf({ limits: { openFiles: 4096 } }, { ...capableHost, hardLimits: { 7: 1000 } });
  assert.equal(rlimit(kind, RLIMIT.openFiles), 1000n);
});

for (let abi = 0; abi <= 7; abi++) {
  test(`Landlock ABI ${abi}: strict has it or is refused, and no row claims what is not there`, () => {
    const facts = { ...capableHost, landlockAbi: abi };
    const result = compiled({ level: 'strict' }, facts);
    const kind = kindOf({ level: 'strict' }, facts);
    assert.deepEqual(ids(result), abi === 0 ? ['landlock:absent'] : []);
    assert.equal(kind.landlock?.abi, abi === 0 ? undefined : abi);
    assert.equal(kind.landlock?.handledNet ?? 0n, abi >= 4 ? 3n : 0n);
    assert.equal(kind.landlock?.scoped ?? 0n, abi >= 6 ? 3n : 0n);
    const named = result.enforced.flatMap(({ mechanisms }) => mechanisms).join();
    assert.equal(/Landlock/.test(named), abi > 0);
    assert.equal(/Landlock TCP/.test(named), abi >= 4);
    assert.equal(result.job.landlockAbi, abi);
  });
}

test('Landlock absent is a note at moderate', () => {
  const result = compiled({ level: 'moderate' }, { ...capableHost, landlockAbi: 0 });
  assert.deepEqual(ids(result), []);
  assert.ok(result.notes.some((note) => note.startsWith('landlock')));
});

test('one plan for all workspaces below the same directory; where it lies is a scaffold', () => {
  const at = (workspace: string) => kindOf({ level: 'moderate' }, capableHost, { workspace });
  assert.deepEqual(at('/home/ada/a'), at('/home/ada/b'));
  assert.deepEqual(at('/srv/x/y').scaffold, ['/home', '/srv']);
  assert.deepEqual(at('/tmp/x').scaffold, ['/home'], '/tmp is a place already');
  assert.deepEqual(at('/opt/x').scaffold, ['/home'], 'the host has the directory');
});

test('a workspace that is a top-level directory is no scaffold: it would be made read-only', () => {
  const kind = kindOf({ level: 'moderate' }, capableHost, { workspace: '/data' });
  assert.ok(!kind.scaffold.includes('/data'));
  assert.ok(
    kind.mounts.some(({ kind: what, target }) => what === 'directory' && target === '/data'),
  );
});

test('what is read below /etc is bound with the root; what is written there has its place made', () => {
  const kind = kindOf({ filesystem: { read: ['/etc/app.conf'], write: ['/etc/app.d'] } });
  const read = kind.mounts.find(({ target }) => target === '/etc/app.conf');
  assert.ok(read?.kind === 'bind' && read.flags.includes('readonly'));
  assert.equal(kind.mounts.find(({ target }) => target === '/etc/app.d')?.kind, 'directory');
  assert.ok(!kind.scaffold.includes('/etc'));
});

test('carve-outs become masks, and a readable place in a writable one a second, read-only bind', () => {
  const { job } = compiled({
    level: 'moderate',
    filesystem: {
      read: ['/srv/data', '!/srv/data/private', '/opt/sdk', '!/opt/sdk/keys', 'docs'],
      write: ['.', '!docs'],
    },
  });
  assert.deepEqual(
    job.mounts.map((mount) => [mount.kind, mount.target, 'access' in mount ? mount.access : '']),
    [
      ['bind', '$workspace', 'write'],
      ['bind', '$workspace/docs', 'read'],
      ['mask', '/opt/sdk/keys', ''],
      ['bind', '/srv/data', 'read'],
      ['mask', '/srv/data/private', ''],
    ],
  );
});

test('a carve-out through a link of the root is one of the directory behind it', () => {
  const { job } = compiled({ filesystem: { read: ['!/bin/su'] } });
  assert.deepEqual(
    job.mounts.map(({ kind, target }) => [kind, target]),
    [['mask', '/usr/bin/su']],
  );
});

test('a policy that names / gets the directories of the host, save what is made up and scratch', () => {
  const { job } = compiled({ level: 'moderate', filesystem: { read: ['/'] } });
  assert.deepEqual(
    job.mounts.map(({ target }) => target),
    ['$workspace', '/home', '/srv', '/var', '/var/tmp'],
  );
});

for (const path of ['/proc/1', '/sys/fs/cgroup', '/dev/kmsg']) {
  test(`${path} cannot be shown by naming it`, () => {
    throws('POLICY_INVALID', () => compiled({ filesystem: { read: [path] } }));
    throws('POLICY_INVALID', () => compiled({ filesystem: { write: [path] } }));
  });
}

test('a device must be there; then it is bound by its number', () => {
  throws('PATH_MISSING', () => compiled({ devices: ['/dev/kvm'] }));
  const device = kindOf({ devices: ['/dev/fuse'] }).mounts.find(
    ({ target }) => target === '/dev/fuse',
  );
  assert.deepEqual(device, {
    kind: 'device',
    source: '/dev/fuse',
    target: '/dev/fuse',
    major: 10,
    minor: 229,
  });
});

test('a named path that is a link is bound from where it leads', () => {
  const { job } = compiled({ filesystem: { read: ['/srv/link'] } }, capableHost, {
    named: [{ path: '/srv/link', real: '/srv/real.txt', kind: 'file' }],
  });
  assert.deepEqual(job.mounts, [
    { kind: 'bind', source: '/srv/real.txt', target: '/srv/link', access: 'read', file: true },
  ]);
});

test('basic is a child with limits; none needs to be allowed', () => {
  const basic = compiled({ level: 'basic' });
  assert.ok(basic.wall === 'child' && basic.child.noNewPrivs);
  assert.deepEqual(ids(basic), []);
  assert.deepEqual(basic.child.cgroup, {
    memoryMaxBytes: 4 * 2 ** 30,
    swapMaxBytes: 0,
    pidsMax: 1024,
  });
  assert.ok(!basic.enforced.some(({ clause }) => clause === 'cgroup'), 'it could be left');
  throws('UNISOLATED', () => compiled({ level: 'none' }));
  const none = compiled({ level: 'none' }, capableHost, { allowUnisolated: true });
  assert.ok(none.wall === 'none' && !none.child.noNewPrivs && none.child.rlimits.length === 0);
});

test('basic without cgroups: rlimits for each process, and RLIMIT_NPROC above what the user runs', () => {
  const basic = compiled({ level: 'basic' }, ordinaryUser);
  assert.ok(basic.wall === 'child');
  assert.equal(basic.child.cgroup, undefined);
  assert.ok(basic.child.rlimits.some(({ resource }) => resource === RLIMIT.data));
  assert.ok(!basic.child.rlimits.some(({ resource }) => resource === RLIMIT.processes));
  assert.equal(basic.child.processes, 1024);
  assert.ok(basic.notes.some((note) => /limits\.memory.*the sum of them is not/.test(note)));
  const root = compiled({ level: 'basic' }, { ...ordinaryUser, euid: 0 });
  assert.ok(root.wall === 'child' && root.child.processes === undefined);
  assert.ok(root.notes.some((note) => /limits\.processes.*not held/.test(note)));
});

test('basic refuses a policy that restricts what it cannot keep', () => {
  for (const document of [
    { network: { mode: 'none' } },
    { filesystem: { read: ['/srv'], write: [] } },
    { syscalls: { deny: ['ptrace'] } },
    { capabilities: { base: 'none' } },
  ] satisfies readonly Document[]) {
    throws('POLICY_INVALID', () => compiled({ level: 'basic', ...document }));
  }
});

test('every row names a test of test/escape, and at least one mechanism', () => {
  const known = new Set(escapeTests.map((name) => `test/escape/${name}.test.ts`));
  for (const level of LEVEL_NAMES) {
    for (const row of compileForExplain(levelPolicy(level), capableHost).enforced) {
      assert.ok(known.has(row.test), row.test);
      assert.ok(row.mechanisms.length > 0, row.clause);
    }
  }
});

test('explain shows clauses, what is missing with its cure, and the flag to go on', () => {
  const result = explain(compiled({ level: 'strict' }, ordinaryUser));
  assert.equal(result.accept, '--accept limits.memory:no-cgroup,limits.cpu:no-cgroup');
  const text = renderExplanation(result, 120);
  for (const part of ['filesystem.view', 'network.none', 'limits.memory:no-cgroup', 'cure:']) {
    assert.ok(text.includes(part), part);
  }
  assert.ok(text.includes(result.accept ?? '-'));
});

test('explain works where nothing can run', () => {
  const result = compileForExplain(levelPolicy('paranoid'), { ...capableHost, platform: 'darwin' });
  assert.deepEqual(ids(result), ['wall.microvm:not-ready', 'wall.gvisor:not-ready']);
  assert.equal(explain(result).accept, undefined);
});
