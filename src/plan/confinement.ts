/**
 * What confines the guest's own system calls: seccomp, Landlock, capabilities.
 */
import { violationEnding } from '../policy/on-violation.ts';
import type { Policy } from '../policy/policy.ts';
import { sideChannelsOf } from '../policy/side-channels.ts';
import { compileCapabilities, grantedCapabilities } from './capabilities.ts';
import type { HostFacts } from './facts.ts';
import { compileFileRefusals, letsCallsGoOn } from './file-refusals.ts';
import type { Findings } from './findings.ts';
import { compileLandlock, readAccess } from './landlock.ts';
import type { NetworkPlan } from './network.ts';
import type { KindPlan, LandlockPlan } from './plan.ts';
import type { Root } from './root.ts';
import { compileSeccomp } from './seccomp/compile.ts';
import { notifiedCalls } from './seccomp/notified.ts';
import { observedCalls } from './seccomp/observed.ts';
import { compileViolations } from './violations.ts';

/** @throws CaissonError `POLICY_INVALID` for a system call or capability that no sandbox can have */
export function compileConfinement(
  policy: Policy,
  facts: HostFacts,
  root: Root,
  network: NetworkPlan,
  findings: Findings,
): Pick<KindPlan, 'seccomp' | 'notified' | 'observed' | 'landlock' | 'capabilities'> {
  const landlock = compileFileRules(policy, facts, root, network, findings);
  const filter = compileFilter(policy, facts, network, findings);
  const source = compileFileRefusals(policy, facts, filter.notified !== undefined, findings);
  return {
    ...filter,
    ...(landlock === undefined
      ? {}
      : { landlock: source === 'audit' ? { ...landlock, log: true } : landlock }),
    capabilities: compileCapabilitySets(policy, findings),
  };
}

function compileFilter(
  policy: Policy,
  facts: HostFacts,
  { setup }: NetworkPlan,
  findings: Findings,
): Pick<KindPlan, 'seccomp' | 'notified' | 'observed'> {
  const { syscalls } = policy;
  const list = (name: string, calls: readonly string[]): string =>
    calls.length === 0 ? '' : `, ${name} ${calls.join(', ')}`;
  findings.enforce(
    'syscalls',
    `${syscalls.preset}${list('allow', syscalls.allow)}${list('deny', syscalls.deny)}`,
    ['seccomp allow-list, one architecture', 'no_new_privs'],
    'syscall-filter',
  );
  /* Only `explain` comes here for a processor without a table: no wall is ready there. */
  if (facts.arch === 'other') return {};
  const keepTsc = sideChannelsOf(policy).tsc === 'deny';
  const packets = (setup?.packets ?? [])
    .filter(({ denies }) => !denies)
    .map(({ protocol }) => protocol);
  const request = { arch: facts.arch, ...syscalls, keepTsc, packets };
  if (!compileViolations(policy, facts, findings)) return { seccomp: compileSeccomp(request) };
  const observe = policy.fileRefusals === 'observe' && letsCallsGoOn(facts);
  return {
    seccomp: compileSeccomp({ ...request, notify: true, observe }),
    notified: notifiedCalls(request, violationEnding(policy)),
    ...(observe ? { observed: observedCalls(request) } : {}),
  };
}

function compileFileRules(
  policy: Policy,
  facts: HostFacts,
  root: Root,
  { landlockPorts }: NetworkPlan,
  findings: Findings,
): LandlockPlan | undefined {
  const abi = facts.landlockAbi;
  const plan = compileLandlock({
    abi,
    paths: [
      ...root.readable.map((path) => ({ path, access: 'read' as const })),
      ...root.writable.map((path) => ({ path, access: 'write' as const })),
      { path: '/dev', access: 'device' },
      { path: '/proc', access: 'device' },
    ],
    ...(landlockPorts === undefined ? {} : { tcp: landlockPorts }),
  });
  if (plan !== undefined) {
    findings.enforce(
      'landlock',
      `ABI ${plan.abi}: files${plan.handledNet === 0n ? '' : ', TCP ports'}${plan.scoped === 0n ? '' : ', signals and abstract sockets kept inside'}`,
      ['Landlock'],
      'host-paths',
    );
    /* Listing alone, anywhere: the root holds nothing that is not to be seen, and `ls /` should work. */
    const list = readAccess(plan.abi, 'directory') & ~readAccess(plan.abi, 'file');
    return { ...plan, paths: [{ path: '/', access: list }, ...plan.paths] };
  }
  if (policy.level === 'strict' || policy.level === 'paranoid') {
    findings.cannot({
      id: 'landlock:absent',
      clause: 'landlock',
      reason:
        'level strict puts Landlock behind the mounts as a second line, and this kernel has none',
      cure: 'use a kernel of 5.13 or later that boots with landlock in its lsm= list; `caisson doctor` says which is missing',
      acceptable: true,
    });
  } else {
    findings.note('landlock: absent on this host; the mount namespace alone keeps the paths');
  }
  return undefined;
}

function compileCapabilitySets(
  { capabilities }: Policy,
  findings: Findings,
): KindPlan['capabilities'] {
  const granted = grantedCapabilities(capabilities);
  findings.enforce(
    'capabilities',
    granted.length === 0 ? 'none' : `${granted.join(', ')}, in the sandbox's user namespace alone`,
    ['all five sets and the bounding set', 'securebits locked', 'user namespace'],
    'capabilities',
  );
  return compileCapabilities(capabilities);
}
