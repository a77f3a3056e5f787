/**
 * Limits that a cgroup keeps over the whole tree of the sandbox: memory, processes, CPU share, I/O rates.
 *
 * `strict` refuses to run without the ones that its policy asks for. `moderate`, meant for an ordinary user on an
 * ordinary machine, falls back to what rlimits can do for each process and says so in a note.
 */
import { CaissonError } from '../core/error.ts';
import { formatBytes } from '../core/units.ts';
import type { Policy } from '../policy/policy.ts';
import type { HostFacts } from './facts.ts';
import type { Findings } from './findings.ts';
import type { CgroupPlan } from './plan.ts';

/** cpu.cfs_period_us, cpu.max: the kernel's default period. */
const CPU_PERIOD_US = 100_000;

interface Demand {
  readonly clause: string;
  readonly id: string;
  readonly value: string;
  readonly available: boolean;
  readonly controller: string;
  /** What remains of it without the controller. */
  readonly instead: string;
  readonly plan: CgroupPlan;
}

/**
 * Absent: the sandbox gets no cgroups of its own. `child`: a guest that sees the host, and as its root could leave them.
 */
export function compileCgroup(
  policy: Policy,
  facts: HostFacts,
  findings: Findings,
  wall: 'process' | 'child' = 'process',
): CgroupPlan | undefined {
  const { cgroup } = facts;
  let plan: CgroupPlan = {};
  for (const demand of demandsOf(policy, facts, wall)) {
    if (demand.available) {
      plan = { ...plan, ...demand.plan };
      findings.enforce(
        demand.clause,
        demand.value,
        [`cgroup ${cgroup.version} ${demand.controller}`],
        'resource-exhaustion',
      );
    } else if (policy.level === 'strict' || policy.level === 'paranoid') {
      findings.cannot({
        id: demand.id,
        clause: demand.clause,
        reason: `no cgroup with the ${demand.controller} controller that the caller may use`,
        cure: facts.cgroupCure ?? DELEGATE,
        acceptable: true,
      });
    } else {
      findings.note(
        `${demand.clause} ${demand.value}: no ${demand.controller} cgroup here; ${demand.instead}`,
      );
    }
  }
  if (wall === 'child') return Object.keys(plan).length === 0 ? undefined : plan;
  const standsInOne = cgroup.memory || cgroup.cpu || cgroup.pids || cgroup.io;
  if (!standsInOne) return undefined;
  findings.enforce(
    'cgroup',
    'not reachable from inside',
    ['cgroup namespace', 'no cgroup file system inside'],
    'cgroup-escape',
  );
  return plan;
}

/** Works wherever systemd runs a user session with the controllers delegated. */
export const DELEGATE =
  'start it below a delegated scope: systemd-run --user --scope -p Delegate=yes caisson …';

/** What sets a sandbox up counts in it, some 400 KiB: with less it ends before there is a guest. */
const LEAST_MEMORY = 2 ** 20;

function tooLittle(bytes: number): CaissonError {
  return new CaissonError('POLICY_INVALID', {
    layer: 'plan',
    message: `limits.memory: no sandbox can be set up with ${formatBytes(bytes)}`,
    hint: `raise limits.memory: the least is ${formatBytes(LEAST_MEMORY)}`,
    details: { least: LEAST_MEMORY },
  });
}

function demandsOf(
  policy: Policy,
  { cgroup, kernel, euid }: HostFacts,
  wall: 'process' | 'child',
): Demand[] {
  const { limits } = policy;
  const demands: Demand[] = [];
  if (limits.memoryBytes !== null) {
    if (limits.memoryBytes < LEAST_MEMORY) throw tooLittle(limits.memoryBytes);
    demands.push({
      clause: 'limits.memory',
      id: 'limits.memory:no-cgroup',
      value: formatBytes(limits.memoryBytes),
      available: cgroup.memory,
      controller: 'memory',
      instead: 'each process is held to it by RLIMIT_DATA, the sum of them is not',
      plan: { memoryMaxBytes: limits.memoryBytes, swapMaxBytes: 0 },
    });
  }
  if (limits.memoryHighBytes !== null) {
    demands.push({
      clause: 'limits.memorySoft',
      id: 'limits.memory-soft:no-cgroup',
      value: formatBytes(limits.memoryHighBytes),
      available: cgroup.memory,
      controller: 'memory',
      instead: 'it has no effect',
      plan: { memoryHighBytes: limits.memoryHighBytes },
    });
  }
  const byRlimit = wall === 'child' ? euid !== 0 : countsPerNamespace(kernel);
  if (limits.processes !== null && (cgroup.pids || !byRlimit)) {
    demands.push({
      clause: 'limits.processes',
      id: 'limits.processes:no-cgroup',
      value: String(limits.processes),
      available: cgroup.pids,
      controller: 'pids',
      instead:
        wall === 'child'
          ? 'it is not held, since RLIMIT_NPROC does not bind root'
          : 'RLIMIT_NPROC counts all processes of the user together on this kernel',
      plan: { pidsMax: limits.processes },
    });
  }
  if (limits.cpuMillicores !== null) {
    demands.push({
      clause: 'limits.cpu',
      id: 'limits.cpu:no-cgroup',
      value: `${limits.cpuMillicores / 1000} cores`,
      available: cgroup.cpu,
      controller: 'cpu',
      instead: 'it may use every core until its time is up',
      plan: {
        cpuQuotaUs: Math.round((limits.cpuMillicores * CPU_PERIOD_US) / 1000),
        cpuPeriodUs: CPU_PERIOD_US,
      },
    });
  }
  if (limits.cpuWeight !== null) {
    demands.push({
      clause: 'limits.cpuWeight',
      id: 'limits.cpu-weight:no-cgroup',
      value: String(limits.cpuWeight),
      available: cgroup.cpu,
      controller: 'cpu',
      instead: 'it has the share of any process',
      plan: { cpuWeight: limits.cpuWeight },
    });
  }
  const { readBytesPerSecond: reads, writeBytesPerSecond: writes } = limits;
  if (reads !== null || writes !== null) {
    demands.push({
      clause: 'limits.io',
      id: 'limits.io:no-cgroup',
      value: [
        reads === null ? '' : `read ${formatBytes(reads)}/s`,
        writes === null ? '' : `write ${formatBytes(writes)}/s`,
      ]
        .filter((text) => text !== '')
        .join(', '),
      available: cgroup.io,
      controller: cgroup.version === 'v1' ? 'blkio' : 'io',
      instead: 'it has no effect',
      plan: {
        ...(reads === null ? {} : { readBytesPerSecond: reads }),
        ...(writes === null ? {} : { writeBytesPerSecond: writes }),
      },
    });
  }
  return demands;
}

/**
 * Since Linux 5.14 RLIMIT_NPROC is counted for each user in each user namespace (kernel commit 21d1c5e386bc,
 * "Reimplement RLIMIT_NPROC on top of ucounts"), so that it bounds one sandbox and not one person.
 */
export function countsPerNamespace(kernel: string): boolean {
  const [major = 0, minor = 0] = kernel.split('.').map((part) => Number.parseInt(part, 10));
  return major > 5 || (major === 5 && minor >= 14);
}
