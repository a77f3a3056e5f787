/**
 * What is done against side channels between processes, and when and how results are let out.
 */
import { formatDuration } from '../core/units.ts';
import type { Policy } from '../policy/policy.ts';
import { sideChannelsOf } from '../policy/side-channels.ts';
import type { HostFacts } from './facts.ts';
import type { Findings } from './findings.ts';
import type { KindPlan, SideChannelControl, Unenforceable } from './plan.ts';

type Facts = NonNullable<HostFacts['sideChannels']>;

/** linux/prctl.h */
const PR_SPEC_PRCTL = 1;
const PR_SPEC_DISABLE = 4;
const PR_SPEC_FORCE_DISABLE = 8;
const ENODEV = 19;

/** Whether a policy asks for what only a sandbox's own processes can have. */
export function restrictsProcessor(policy: Policy): boolean {
  const { speculation, coreScheduling, tsc } = sideChannelsOf(policy);
  return speculation || coreScheduling || tsc === 'deny';
}

/** What the launcher has to set; what the host lacks is a finding, and is not asked for. */
export function compileSideChannels(
  policy: Policy,
  { sideChannels: facts }: HostFacts,
  findings: Findings,
): Pick<KindPlan, 'sideChannels'> {
  const asked = sideChannelsOf(policy);
  if (!restrictsProcessor(policy)) return {};
  const controls = [
    ...(asked.speculation ? speculation(facts, findings) : []),
    ...(asked.coreScheduling ? coreScheduling(facts, findings) : []),
    ...(asked.tsc === 'deny' ? timeStampCounter(facts, findings) : []),
  ];
  return controls.length === 0 ? {} : { sideChannels: controls };
}

/** When results come out and what is replaced in them: the library's work, behind any wall. */
export function explainRelease(policy: Policy, findings: Findings): void {
  const { resultGridMs, redact } = sideChannelsOf(policy);
  if (resultGridMs > 0) {
    const grid = formatDuration(resultGridMs);
    findings.enforce(
      'sideChannels.resultGrid',
      `outcomes and output every ${grid}; times are rounded up to it. Costs ${formatDuration(Math.max(1, Math.round(resultGridMs / 2)))} a result on average, ${grid} at most`,
      ['the library holds results back'],
      'side-channels',
    );
    findings.note(
      'sideChannels.resultGrid: what the guest does to the world outside (network, files that others watch, load of the machine) happens when it happens',
    );
  }
  if (redact) {
    const names = (policy.network.secrets ?? []).map(({ name }) => name).join(', ');
    findings.enforce(
      'sideChannels.redact',
      `${names}: the value, its base64 and its percent-encoded form are replaced in output, files read, violations and audit. Costs one pass over the output`,
      ['the library replaces them'],
      'secrets-redacted',
    );
    findings.note(
      'sideChannels.redact: a guard against accident; a guest that gets hold of a value can write it in another form',
    );
  }
}

interface Kind {
  readonly id: string;
  readonly control: SideChannelControl;
  readonly name: string;
  readonly state: number | undefined;
}

function speculation(facts: Facts | undefined, findings: Findings): SideChannelControl[] {
  const kinds: readonly Kind[] = [
    {
      id: 'store-bypass',
      control: 'store-bypass',
      name: 'speculative store bypass',
      state: facts?.storeBypass,
    },
    {
      id: 'indirect-branch',
      control: 'indirect-branch',
      name: 'indirect branch speculation',
      state: facts?.indirectBranch,
    },
  ];
  const held = kinds.map((kind) => ({ ...kind, held: holds(kind) }));
  for (const { id, name, state, held: how } of held) {
    if (how === undefined) findings.cannot(cannotSpeculation(id, name, state));
  }
  // It keeps the guest's own data from who comes after; a task on a core with two threads is killed for it (SIGBUS).
  const flush = facts !== undefined && facts.l1dFlush > 0 && (facts.l1dFlush & PR_SPEC_PRCTL) !== 0;
  const flushed = flush && facts.smt === false;
  const mechanisms = [...held.flatMap(({ held: how }) => how ?? [])];
  if (mechanisms.length > 0) {
    findings.enforce(
      'sideChannels.speculation',
      'the processor does not speculate across stores and foreign branches in what the guest runs. Costs by processor and program: from nothing to a few per cent; up to a half in published cases where threads share cores. docs/side-channels.md',
      [...mechanisms, flushed && 'prctl: L1 data cache flushed on leaving'],
      'side-channels',
    );
  }
  return [
    ...held.flatMap(({ held: how, control }) => (how?.startsWith('prctl') ? [control] : [])),
    ...(flushed ? (['l1d-flush'] as const) : []),
  ];
}

/** What holds it, undefined where nothing does. */
function holds({ name, state }: Kind): string | undefined {
  if (state === undefined || state < 0) return undefined;
  if (state === 0) return `the processor is not affected by ${name}`;
  if ((state & PR_SPEC_PRCTL) !== 0) return `prctl: no ${name}, for good`;
  const off = (state & (PR_SPEC_DISABLE | PR_SPEC_FORCE_DISABLE)) !== 0;
  return off ? `the kernel has ${name} off for everybody` : undefined;
}

function cannotSpeculation(id: string, name: string, state: number | undefined): Unenforceable {
  const clause = 'sideChannels.speculation';
  const reason =
    state === undefined
      ? `whether this kernel can turn off ${name} for a process is not known`
      : state < 0
        ? `this kernel cannot turn off ${name} for a process (errno ${-state})`
        : `this kernel leaves ${name} on for everybody, and lets no process turn it off`;
  const cure =
    state === undefined
      ? 'install a launcher of this release'
      : 'boot without mitigations=off and with spec_store_bypass_disable=prctl spectre_v2_user=prctl, on a machine that shows the controls of its processor';
  return { id: `${clause}:${id}`, clause, reason, cure, acceptable: true };
}

function coreScheduling(facts: Facts | undefined, findings: Findings): SideChannelControl[] {
  const clause = 'sideChannels.coreScheduling';
  const alone = facts?.smt === false && !facts.virtual;
  if (facts?.coreScheduling === 0 || alone) {
    findings.enforce(
      clause,
      'no thread of others on a core at the same time. Costs: while the sandbox runs on one thread of a core, the other one stands idle or runs the same sandbox',
      [
        facts.coreScheduling === 0
          ? 'prctl: core cookie of the sandbox'
          : 'cores have one thread each here',
      ],
      'side-channels',
    );
    if (facts.virtual) {
      findings.note(
        `${clause}: this is a virtual machine; whether its processors share cores with strangers is for its host to say`,
      );
    }
    return facts.coreScheduling === 0 ? ['core-cookie'] : [];
  }
  if (facts === undefined) {
    const reason = 'whether this kernel has core scheduling is not known';
    const cure = 'install a launcher of this release';
    findings.cannot({ id: `${clause}:not-known`, clause, reason, cure, acceptable: true });
  } else if (facts.coreScheduling === ENODEV) {
    findings.cannot({
      id: `${clause}:virtual-machine`,
      clause,
      reason:
        'this kernel sees one thread a core, but runs in a virtual machine whose host may put it beside others',
      cure: 'run on the machine itself, or have its host keep cores apart, and accept this',
      acceptable: true,
    });
  } else {
    findings.cannot({
      id: `${clause}:not-in-kernel`,
      clause,
      reason: `this kernel has no core scheduling (errno ${facts.coreScheduling} on PR_SCHED_CORE)`,
      cure: 'use a kernel of 5.14 or later with CONFIG_SCHED_CORE, or boot with nosmt on a machine that is not virtual',
      acceptable: true,
    });
  }
  return [];
}

function timeStampCounter(facts: Facts | undefined, findings: Findings): SideChannelControl[] {
  const clause = 'sideChannels.tsc';
  if (facts?.tsc === 0) {
    findings.enforce(
      clause,
      'reading the time stamp counter ends a program. Costs every program of glibc, whose loader reads it, and every other one that asks for the time without a system call',
      ['prctl: PR_TSC_SIGSEGV', 'seccomp: it cannot be undone'],
      'side-channels',
    );
    findings.note(
      `${clause}: clock_gettime as a system call, and threads that count, are clocks all the same`,
    );
    return ['no-tsc'];
  }
  const reason =
    facts === undefined
      ? 'whether the time stamp counter can be kept from a process here is not known'
      : `the time stamp counter cannot be kept from a process here (errno ${facts.tsc})`;
  const cure =
    facts === undefined
      ? 'install a launcher of this release'
      : 'run on x86-64, or on arm64 with a kernel of 6.12 or later; some virtual machines show it whatever is set';
  findings.cannot({ id: `${clause}:not-in-kernel`, clause, reason, cure, acceptable: true });
  return [];
}
