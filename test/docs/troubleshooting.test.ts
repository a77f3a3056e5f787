/** docs/troubleshooting.md has every cure that `doctor` can name, word for word. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { diagnose } from '../../src/host/doctor.ts';
import { minimalFacts } from '../../src/host/facts.ts';
import type { Surroundings } from '../../src/host/surroundings.ts';
import type { HostFacts } from '../../src/plan/facts.ts';
import { capableHost, ordinaryUser } from '../plan/made-up-facts.ts';

const EPERM = 1;
const ENOSPC = 28;
const EINVAL = 22;

const unable: readonly Partial<HostFacts>[] = [
  {},
  { userNamespace: EPERM, otherNamespaces: EPERM, procMount: EPERM },
  { userNamespace: ENOSPC, otherNamespaces: EPERM, procMount: EPERM },
  { userNamespace: EINVAL, otherNamespaces: EINVAL, procMount: EINVAL },
  { procMount: EPERM },
  { seccomp: false },
  { landlockAbi: 0 },
  { idmap: EINVAL },
  { overlay: false },
  { cgroup: ordinaryUser.cgroup },
];
const quiet: Surroundings = {
  procCovered: false,
  cgroupsReadOnly: false,
  githubActions: false,
  systemd: false,
  systemdUser: false,
};
const places: readonly Partial<Surroundings>[] = [
  {},
  { apparmorRestrictsNamespaces: true },
  { apparmorRestrictsNamespaces: true, githubActions: true },
  { maxUserNamespaces: 0 },
  { unprivilegedNamespaces: false },
  { procCovered: true },
  { cgroupVersion: 'v1' },
  { cgroupVersion: 'v2' },
  { cgroupVersion: 'v1', systemd: true },
  { systemd: true },
  { systemd: true, systemdUser: true },
  { landlockActive: false },
  ...(['docker', 'podman', 'kubernetes', 'other'] as const).flatMap((container) => [
    { container, procCovered: true },
    { container, procCovered: true, cgroupsReadOnly: true },
  ]),
];

function everyCure(): Set<string> {
  const cures = new Set<string>();
  const take = (facts: HostFacts, where: Surroundings): void => {
    for (const { cure } of diagnose(facts, where).findings) if (cure !== undefined) cures.add(cure);
  };
  for (const host of [capableHost, ordinaryUser])
    for (const facts of unable)
      for (const where of places) take({ ...host, ...facts }, { ...quiet, ...where });
  for (const platform of ['darwin', 'win32', 'freebsd'] as const)
    take(minimalFacts(platform), quiet);
  return cures;
}

test('docs/troubleshooting.md has every cure of doctor', () => {
  const page = readFileSync(
    join(resolve(import.meta.dirname, '../..'), 'docs/troubleshooting.md'),
    'utf8',
  );
  // Code is set off with backticks, and lines are broken anywhere.
  const flowing = page.replaceAll('`', '').replaceAll(/\s+/g, ' ');
  const missing = [...everyCure()].filter(
    (cure) => !flowing.toLowerCase().includes(cure.toLowerCase()),
  );
  assert.deepEqual(missing, []);
  assert.ok(everyCure().size > 15, 'the made-up hosts are ill enough');
});
