/**
 * Limits that the launcher's clocks and counters keep, and rlimits for each process (getrlimit(2)).
 */
import { formatBytes, formatDuration } from '../core/units.ts';
import type { Limits, Policy } from '../policy/policy.ts';
import { countsPerNamespace } from './cgroup.ts';
import type { HostFacts } from './facts.ts';
import type { Findings } from './findings.ts';
import type { Rlimit, RunLimits } from './plan.ts';

/** asm-generic/resource.h; the same on x86-64 and aarch64. */
export const RLIMIT = {
  cpu: 0,
  fileSize: 1,
  data: 2,
  stack: 3,
  core: 4,
  processes: 6,
  openFiles: 7,
  lockedMemory: 8,
  pendingSignals: 11,
  messageQueues: 12,
  nice: 13,
  realtimePriority: 14,
} as const;

/**
 * RLIMIT_NPROC is asked before the pids cgroup at a fork, and only the cgroup counts its refusals: the second line
 * lies further out, so that a fork bomb shows in `limitsHit`.
 */
const SECOND_LINE = 16;

/**
 * Too little for a file, and the one value at which the kernel starts no program of core_pattern either: at 0 it starts it
 * all the same, as root of the host (core(5), do_coredump).
 */
const NO_CORE = 1;

export function compileRunLimits(limits: Limits, findings: Findings): RunLimits {
  if (limits.wallMs !== null) {
    findings.enforce(
      'limits.timeout',
      formatDuration(limits.wallMs),
      ['launcher clock'],
      'resource-exhaustion',
    );
  }
  if (limits.cpuMs !== null) {
    findings.enforce(
      'limits.cpuTime',
      formatDuration(limits.cpuMs),
      ['launcher clock over the whole tree', 'RLIMIT_CPU for each process'],
      'resource-exhaustion',
    );
  }
  if (limits.outputBytes !== null) {
    findings.enforce(
      'limits.output',
      `${formatBytes(limits.outputBytes)}, then ${limits.onOutputLimit}`,
      ['launcher counter'],
      'resource-exhaustion',
    );
  }
  return {
    ...(limits.wallMs === null ? {} : { wallMs: limits.wallMs }),
    ...(limits.cpuMs === null ? {} : { cpuMs: limits.cpuMs }),
    ...(limits.outputBytes === null ? {} : { outputBytes: limits.outputBytes }),
    onOutputLimit: limits.onOutputLimit,
  };
}

/**
 * `child`: the caller's own user and namespaces, where RLIMIT_NPROC counts everything the user runs, so that the launcher
 * sets it (`compileChildProcesses`).
 */
export function compileRlimits(
  policy: Policy,
  facts: HostFacts,
  wall: 'process' | 'child',
  findings: Findings,
): readonly Rlimit[] {
  const { limits } = policy;
  const wanted = new Map<number, number>();
  const row = (clause: string, value: string, mechanism: string): void =>
    findings.enforce(clause, value, [mechanism], 'resource-exhaustion');

  if (limits.cpuMs !== null) wanted.set(RLIMIT.cpu, Math.ceil(limits.cpuMs / 1000) + 1);
  if (limits.fileSizeBytes !== null) {
    wanted.set(RLIMIT.fileSize, limits.fileSizeBytes);
    row('limits.fileSize', formatBytes(limits.fileSizeBytes), 'RLIMIT_FSIZE');
  }
  if (limits.openFiles !== null) {
    wanted.set(RLIMIT.openFiles, limits.openFiles);
    row('limits.openFiles', String(limits.openFiles), 'RLIMIT_NOFILE');
  }
  if (limits.stackBytes !== null) {
    wanted.set(RLIMIT.stack, limits.stackBytes);
    row('limits.stack', formatBytes(limits.stackBytes), 'RLIMIT_STACK');
  }
  wanted.set(RLIMIT.core, Math.max(limits.coreBytes ?? 0, NO_CORE));
  row('limits.core', formatBytes(limits.coreBytes ?? 0), 'RLIMIT_CORE');
  if (limits.memoryBytes !== null && !facts.cgroup.memory) {
    wanted.set(RLIMIT.data, limits.memoryBytes);
  }
  if (wall === 'process') {
    if (limits.processes !== null) {
      wanted.set(RLIMIT.processes, limits.processes + (facts.cgroup.pids ? SECOND_LINE : 0));
      if (!facts.cgroup.pids && countsPerNamespace(facts.kernel)) {
        row(
          'limits.processes',
          String(limits.processes),
          'RLIMIT_NPROC, counted in the user namespace of the sandbox alone',
        );
      }
    }
    wanted.set(RLIMIT.lockedMemory, 1 << 20);
    wanted.set(RLIMIT.pendingSignals, 4096);
    wanted.set(RLIMIT.messageQueues, 0);
    wanted.set(RLIMIT.nice, 0);
    wanted.set(RLIMIT.realtimePriority, 0);
  }
  return [...wanted]
    .sort(([a], [b]) => a - b)
    .map(([resource, value]) => toRlimit(resource, value, facts, findings));
}

/** Where no pids cgroup counts for a guest that sees the host: RLIMIT_NPROC, that much above what the user runs by then. */
export function compileChildProcesses(
  limits: Limits,
  facts: HostFacts,
  findings: Findings,
): number | undefined {
  if (limits.processes === null || facts.cgroup.pids || facts.euid === 0) return undefined;
  findings.enforce(
    'limits.processes',
    String(limits.processes),
    ['RLIMIT_NPROC, above what the caller runs at the start'],
    'resource-exhaustion',
  );
  return limits.processes;
}

/** A host that allows less is stricter than the policy, never weaker; it is said all the same. */
function toRlimit(resource: number, value: number, facts: HostFacts, findings: Findings): Rlimit {
  const hard = facts.hardLimits?.[resource];
  if (hard === undefined || hard === null || value <= hard) {
    return { resource, soft: BigInt(value), hard: BigInt(value) };
  }
  if (resource === RLIMIT.openFiles) {
    findings.note(`limits.openFiles ${value}: this host allows its caller ${hard}`);
  }
  return { resource, soft: BigInt(hard), hard: BigInt(hard) };
}
