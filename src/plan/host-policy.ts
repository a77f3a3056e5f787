/**
 * The policy of a host process: what stands around an engine that evaluates a guest's programs, by the guest's own policy.
 *
 * The guest has no file, no variable and no connection in there; the host has what Node needs, and nothing of what the
 * policy opens.
 */
import type { PathRule } from '../policy/path.ts';
import { isWithin, pathSet } from '../policy/path-set.ts';
import type { Policy } from '../policy/policy.ts';

const MiB = 2 ** 20;

export interface HostNeeds {
  /** Absolute directories: our program, and the packages that it loads. */
  readonly read: readonly string[];
  /** What the guest may have, bytes. */
  readonly memoryBytes: number;
  /** What the host has before any guest, bytes. */
  readonly baseBytes: number;
}

/** TCP port of a host's own loopback at which it is spoken with. */
export const HOST_PORT = 1024;

/** Above the guest's limit, for what a collector has not freed yet. */
export const HOST_SLACK_BYTES = 16 * MiB;

/** No policy that somebody wrote can be called so: documents have no parentheses in their names. */
const HOST_NAME = ' (host)';

/** Whether the policy of that name is one of a host's. */
export function isHostPolicy(name: string): boolean {
  return name.endsWith(HOST_NAME);
}

export function hostPolicy(policy: Policy, { read, memoryBytes, baseBytes }: HostNeeds): Policy {
  const seesHost = policy.view === 'host';
  // Of code nothing is asked but of the guest's, before it comes here.
  const { admission: _, ...rest } = policy;
  const { limits, syscalls } = rest;
  return {
    ...rest,
    name: `${policy.name}${HOST_NAME}`,
    ...(seesHost
      ? {}
      : {
          read: pathSet([
            ...read.map((path) => ({ path, include: true })),
            ...carved(policy, read),
          ]),
          write: pathSet([]),
          network: { mode: 'none', allow: [], deny: [], listen: [HOST_PORT] },
          environment: { pass: { complement: false, names: [] }, set: [] },
          // Node needs no more than the default; what the policy denies beyond that stays denied.
          syscalls: {
            preset: syscalls.preset === 'all' ? 'default' : syscalls.preset,
            allow: [],
            deny: syscalls.deny,
          },
          capabilities: { base: 'none', add: [], drop: [] },
        }),
    protect: [],
    workspace: { mode: 'none', apply: 'manual' },
    devices: [],
    sys: false,
    limits: {
      ...limits,
      // Each evaluation has its own clocks; the host lives through many.
      wallMs: null,
      cpuMs: null,
      memoryBytes: memoryBytes + baseBytes + HOST_SLACK_BYTES,
      memoryHighBytes:
        limits.memoryHighBytes === null
          ? null
          : limits.memoryHighBytes + baseBytes + HOST_SLACK_BYTES,
      processes: Math.min(limits.processes ?? THREADS, THREADS),
      openFiles: Math.min(limits.openFiles ?? FILES, FILES),
      ...(seesHost
        ? {}
        : {
            fileSizeBytes: Math.min(limits.fileSizeBytes ?? MiB, MiB),
            scratchBytes: Math.min(limits.scratchBytes ?? MiB, MiB),
          }),
    },
  };
}

/** What the guest's policy takes out again below what its host reads: the host reads it for the guest. */
function carved({ read: { rules } }: Policy, read: readonly string[]): PathRule[] {
  return rules.filter(
    ({ path, include }) =>
      !include && read.some((named) => path !== named && isWithin(path, named)),
  );
}

const THREADS = 64;
const FILES = 256;
