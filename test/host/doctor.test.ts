import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { type DoctorFinding, diagnose, renderDiagnosis } from '../../src/host/doctor.ts';
import { isolateEngineLacks } from '../../src/host/engine-walls.ts';
import { minimalFacts } from '../../src/host/facts.ts';
import {
  cgroupsReadOnly,
  cgroupVersionIn,
  coversProc,
  type Surroundings,
} from '../../src/host/surroundings.ts';
import type { HostFacts } from '../../src/plan/facts.ts';
import { capableHost, ordinaryUser } from '../plan/made-up-facts.ts';

const EPERM = 1;
const plain: Surroundings = {
  procCovered: false,
  cgroupsReadOnly: false,
  githubActions: false,
  systemd: true,
  systemdUser: true,
};
const delegated: HostFacts = { ...ordinaryUser, cgroup: capableHost.cgroup };
const refused = { userNamespace: EPERM, otherNamespaces: EPERM, procMount: EPERM };

const hosts: readonly {
  readonly name: string;
  readonly facts: HostFacts;
  readonly where: Partial<Surroundings>;
  readonly of: DoctorFinding['of'];
  readonly cause: RegExp;
  readonly cure: RegExp;
  readonly process: boolean;
}[] = [
  {
    name: 'Ubuntu 24.04, whose AppArmor restricts user namespaces',
    facts: { ...delegated, ...refused },
    where: { apparmorRestrictsNamespaces: true },
    of: 'user namespaces',
    cause: /apparmor_restrict_unprivileged_userns=1/,
    cure: /^sudo sysctl -w kernel\.apparmor_restrict_unprivileged_userns=0$/,
    process: false,
  },
  {
    name: 'Ubuntu where the first namespace is given and what is inside refused',
    facts: { ...delegated, otherNamespaces: EPERM, procMount: EPERM },
    where: { apparmorRestrictsNamespaces: true },
    of: 'user namespaces',
    cause: /apparmor_restrict_unprivileged_userns=1/,
    cure: /sysctl -w kernel\.apparmor_restrict/,
    process: false,
  },
  {
    name: 'GitHub Actions',
    facts: { ...delegated, ...refused },
    where: { apparmorRestrictsNamespaces: true, githubActions: true },
    of: 'user namespaces',
    cause: /apparmor/,
    cure: /^a step before this one: run: sudo sysctl/,
    process: false,
  },
  {
    name: 'user.max_user_namespaces=0',
    facts: { ...delegated, ...refused, userNamespace: 28 },
    where: { maxUserNamespaces: 0 },
    of: 'user namespaces',
    cause: /max_user_namespaces/,
    cure: /^sudo sysctl -w user\.max_user_namespaces=\d+$/,
    process: false,
  },
  {
    name: 'Debian with kernel.unprivileged_userns_clone=0',
    facts: { ...delegated, ...refused },
    where: { unprivilegedNamespaces: false },
    of: 'user namespaces',
    cause: /unprivileged_userns_clone=0/,
    cure: /^sudo sysctl -w kernel\.unprivileged_userns_clone=1$/,
    process: false,
  },
  {
    name: 'Docker, whose seccomp filter refuses namespaces',
    facts: { ...capableHost, ...refused },
    where: { container: 'docker', procCovered: true },
    of: 'user namespaces',
    cause: /Docker forbids/,
    cure: /^docker run .*seccomp=unconfined.*systempaths=unconfined/,
    process: false,
  },
  {
    name: 'Docker with seccomp=unconfined and a masked /proc',
    facts: { ...capableHost, procMount: EPERM },
    where: { container: 'docker', procCovered: true },
    of: '/proc',
    cause: /covered/,
    cure: /^docker run .*systempaths=unconfined/,
    process: false,
  },
  {
    name: 'a dev container of Podman with a masked /proc',
    facts: { ...ordinaryUser, procMount: EPERM },
    where: { container: 'podman', procCovered: true },
    of: '/proc',
    cause: /covered/,
    cure: /^podman run .*unmask=ALL/,
    process: false,
  },
  {
    name: 'Kubernetes',
    facts: { ...capableHost, ...refused },
    where: { container: 'kubernetes', procCovered: true },
    of: 'user namespaces',
    cause: /Kubernetes/,
    cure: /procMount: Unmasked/,
    process: false,
  },
  {
    name: 'a desktop whose cgroup is not delegated',
    facts: ordinaryUser,
    where: {},
    of: 'cgroups',
    cause: /no cgroup is delegated/,
    cure: /systemd-run --user --scope -p Delegate=yes/,
    process: true,
  },
  {
    name: 'a user of su, without a systemd session',
    facts: ordinaryUser,
    where: { systemdUser: false },
    of: 'cgroups',
    cause: /no systemd session/,
    cure: /enable-linger/,
    process: true,
  },
  {
    name: 'Docker with its cgroups read-only',
    facts: { ...capableHost, cgroup: ordinaryUser.cgroup },
    where: { container: 'docker', cgroupsReadOnly: true },
    of: 'cgroups',
    cause: /read-only/,
    cure: /writable-cgroups=true/,
    process: true,
  },
  {
    name: 'a kernel booted without Landlock',
    facts: { ...capableHost, landlockAbi: 0 },
    where: { landlockActive: false },
    of: 'Landlock',
    cause: /boots without it/,
    cure: /lsm=/,
    process: true,
  },
  {
    name: 'a kernel older than Landlock',
    facts: { ...capableHost, kernel: '5.10.0', landlockAbi: 0 },
    where: {},
    of: 'Landlock',
    cause: /5\.13/,
    cure: /CONFIG_SECURITY_LANDLOCK/,
    process: true,
  },
  {
    name: 'an ordinary user without systemd, cgroup v1',
    facts: ordinaryUser,
    where: { cgroupVersion: 'v1', systemd: false, systemdUser: false },
    of: 'cgroups',
    cause: /no systemd/,
    cure: /^as root.*\/sys\/fs\/cgroup\/\$c\/caisson/,
    process: true,
  },
  {
    name: 'an ordinary user without systemd, cgroup v2',
    facts: ordinaryUser,
    where: { cgroupVersion: 'v2', systemd: false, systemdUser: false },
    of: 'cgroups',
    cause: /no systemd/,
    cure: /^as root.*cgroup\.subtree_control/,
    process: true,
  },
  {
    name: 'an ordinary user whose systemd has the old hierarchies',
    facts: ordinaryUser,
    where: { cgroupVersion: 'v1', systemd: true, systemdUser: true },
    of: 'cgroups',
    cause: /delegates the old hierarchies to no user/,
    cure: /unified_cgroup_hierarchy=1/,
    process: true,
  },
  {
    name: 'root on an overlay file system, as in CI containers',
    facts: { ...capableHost, idmap: 22 },
    where: {},
    of: 'idmapped mounts',
    cause: /overlay/,
    cure: /^(?!.*workspace: overlay).*volume.*ordinary user/,
    process: true,
  },
  {
    name: 'a kernel whose modules for a filtered network are not loaded',
    facts: { ...ordinaryUser, networkFilterErrno: 93 },
    where: {},
    of: 'filtered network',
    cause: /tproxy/,
    cure: /^sudo modprobe -a nf_tables nft_tproxy/,
    process: true,
  },
  {
    name: 'a container that forbids a filtered network',
    facts: { ...capableHost, networkFilterErrno: EPERM },
    where: { container: 'docker' },
    of: 'filtered network',
    cause: /forbids it/,
    cure: /^on the host, as root: modprobe/,
    process: true,
  },
];

for (const { name, facts, where, of, cause, cure, process } of hosts) {
  test(`doctor on ${name}`, () => {
    const diagnosis = diagnose(facts, { ...plain, ...where });
    const finding = diagnosis.findings.find((each) => each.of === of);
    assert.match(finding?.cause ?? '', cause);
    assert.match(finding?.cure ?? '', cure);
    assert.notEqual(finding?.state, 'ok');
    const wall = diagnosis.walls.find((each) => each.wall === 'process');
    assert.equal(wall?.ready, process);
    if (!process) assert.match(wall?.cure ?? '', cure, 'the wall names the same cure');
    assert.ok(renderDiagnosis(diagnosis).includes(finding?.cure ?? '-'));
  });
}

test('doctor finds nothing wrong with a capable host', () => {
  const { findings, walls } = diagnose(capableHost, plain);
  assert.deepEqual(
    findings.filter(({ state }) => state !== 'ok'),
    [],
  );
  assert.equal(walls.find(({ wall }) => wall === 'process')?.ready, true);
});

test('the walls of programs need Node and their engine, not namespaces', () => {
  const stateOf = (wall: string, { walls } = diagnose(capableHost, plain)) => {
    const found = walls.find((each) => each.wall === wall);
    assert.ok(found);
    return found;
  };
  const without = diagnose({ ...capableHost, ...refused }, plain);
  for (const wall of ['isolate', 'wasm']) {
    assert.equal(stateOf(wall).ready, true);
    assert.match(stateOf(wall).reason, /`caisson eval`.*inside the wall of their policy/);
    assert.equal(stateOf(wall, without).ready, true);
  }
  const lacking = diagnose(capableHost, plain, 'isolated-vm is not installed');
  assert.deepEqual(
    ['isolate', 'wasm'].map((wall) => stateOf(wall, lacking).ready),
    [false, true],
  );
  assert.match(stateOf('isolate', lacking).reason, /not installed/);
  assert.match(stateOf('isolate', lacking).cure ?? '', /install caisson again/);
});

test('the engine of the isolate wall: there, not installed, not built for this Node', () => {
  assert.equal(isolateEngineLacks(), undefined);
  const absent = createRequire('/nowhere/index.js');
  assert.equal(isolateEngineLacks(absent), 'isolated-vm is not installed');
  const root = mkdtempSync(join(tmpdir(), 'caisson-engine-'));
  try {
    const folder = join(root, 'node_modules/isolated-vm');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'index.js'), '');
    const builds = join(import.meta.dirname, '../../node_modules/node-gyp-build');
    symlinkSync(builds, join(root, 'node_modules/node-gyp-build'));
    const other = isolateEngineLacks(createRequire(join(root, 'index.js')));
    assert.match(other ?? '', /^isolated-vm is not built for Node v\d+/);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
});

test('doctor on macOS and Windows says that Linux is missing, and where to get it', () => {
  for (const [platform, cure] of [
    ['darwin', /lima/],
    ['win32', /wsl/],
  ] as const) {
    const { findings, walls } = diagnose(minimalFacts(platform), plain);
    assert.match(findings[0]?.cure ?? '', cure);
    assert.ok(walls.every(({ ready }) => !ready));
  }
});

test('a mount below /proc is seen, the automount of binfmt_misc is none', () => {
  const line = (point: string) => `100 90 0:5 / ${point} ro,nosuid - proc proc rw`;
  assert.equal(coversProc(line('/proc')), false);
  assert.equal(coversProc(line('/proc/sys/fs/binfmt_misc')), false);
  assert.equal(coversProc(`${line('/proc')}\n${line('/proc/kcore')}`), true);
});

test('the hierarchy that carries the controllers', () => {
  const line = (type: string, options: string) =>
    `31 23 0:28 / /sys/fs/cgroup rw,nosuid shared:9 - ${type} cgroup ${options}`;
  assert.equal(cgroupVersionIn(line('cgroup2', 'rw,nsdelegate')), 'v2');
  assert.equal(cgroupVersionIn(`${line('cgroup2', 'rw')}\n${line('cgroup', 'rw,memory')}`), 'v1');
  assert.equal(cgroupVersionIn(line('cgroup', 'rw,name=systemd')), undefined);
});

test('cgroups are read-only when every one of them is', () => {
  const line = (options: string, type: string) =>
    `31 23 0:28 / /sys/fs/cgroup ${options},nosuid shared:9 - ${type} cgroup rw`;
  assert.equal(cgroupsReadOnly(line('ro', 'cgroup2')), true);
  assert.equal(cgroupsReadOnly(`${line('ro', 'cgroup')}\n${line('rw', 'cgroup')}`), false);
  assert.equal(cgroupsReadOnly(line('ro', 'tmpfs')), false);
});
