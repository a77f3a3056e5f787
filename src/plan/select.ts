/**
 * Which wall of the policy's ladder is taken on this host, and why.
 */
import { CaissonError } from '../core/error.ts';
import type { Policy, WallName } from '../policy/policy.ts';
import type { HostFacts } from './facts.ts';
import type { Unenforceable } from './plan.ts';

/** The walls that this release can compile for. */
export type BuiltWall = Extract<WallName, 'none' | 'child' | 'process'>;

/** Walls of programs: each inside a host process, which stands behind the wall that the policy selects. */
export type EngineWall = Extract<WallName, 'isolate' | 'wasm'>;

/** What runs in them. */
export const ENGINE_PROGRAMS: Readonly<Record<EngineWall, string>> = {
  isolate: 'JavaScript and TypeScript of `caisson eval` and of modules',
  wasm: 'WASM programs of `caisson eval` and of modules',
};

export function isEngineWall(wall: WallName): wall is EngineWall {
  return wall === 'isolate' || wall === 'wasm';
}

export interface WallState {
  readonly wall: WallName;
  readonly ready: boolean;
  /** What is there, or what is missing. */
  readonly reason: string;
  /** What to do about it. */
  readonly cure?: string;
}

export interface Selection {
  readonly wall: BuiltWall;
  readonly wallReason: string;
}

export interface SelectOptions {
  /** Must stand beside a policy whose wall is `none`. */
  readonly allowUnisolated?: boolean;
}

/**
 * The first wall of the policy that is ready.
 *
 * @throws CaissonError `UNISOLATED` (wall `none` without `allowUnisolated`), `PLATFORM_UNSUPPORTED` (not Linux),
 * `WALL_UNAVAILABLE` with `details.walls`: each wall of the policy, what it lacks and the cure
 */
export function selectWall(
  policy: Policy,
  facts: HostFacts,
  options: SelectOptions = {},
): Selection {
  if (facts.platform !== 'linux') {
    throw new CaissonError('PLATFORM_UNSUPPORTED', {
      layer: 'plan',
      message: `running needs Linux, and this is ${facts.platform}`,
      hint: 'run it in a Linux virtual machine or container; `caisson policy` and `caisson explain` work here',
    });
  }
  const passed: WallState[] = [];
  for (const wall of policy.walls) {
    const state = wallState(wall, facts);
    if (state.ready && isBuilt(wall)) {
      if (wall === 'none' && options.allowUnisolated !== true) throw unisolated();
      return { wall, wallReason: reasonOf(state, passed) };
    }
    passed.push(state);
  }
  throw unavailable(policy, passed);
}

/** As `selectWall`, but never refuses: what is missing stands beside the wall that would be taken. */
export function selectForExplain(
  policy: Policy,
  facts: HostFacts,
): { readonly selection: Selection; readonly missing: readonly Unenforceable[] } {
  const states = policy.walls.map((wall) => wallState(wall, facts));
  const index = states.findIndex(({ wall, ready }) => ready && isBuilt(wall));
  const taken = states[index];
  if (taken !== undefined && isBuilt(taken.wall)) {
    const wallReason = reasonOf(taken, states.slice(0, index));
    return { selection: { wall: taken.wall, wallReason }, missing: [] };
  }
  const wall = policy.walls.find(isBuilt) ?? 'process';
  return {
    selection: {
      wall,
      wallReason: `none ready; shown is what the wall ${wall} would do`,
    },
    missing: states.map((state) => ({
      id: `wall.${state.wall}:not-ready`,
      clause: 'wall',
      reason: `${state.wall} ${state.reason}`,
      cure: state.cure ?? '`caisson doctor` shows what each wall needs',
      acceptable: false,
    })),
  };
}

/** Whether a wall is ready for a command on this host, and if not, what is missing and what cures it. */
export function wallState(wall: WallName, facts: HostFacts): WallState {
  if (wall === 'process') return processState(facts);
  if (isBuilt(wall)) {
    return facts.platform === 'linux'
      ? { wall, ready: true, reason: 'needs nothing of the host' }
      : { wall, ready: false, reason: 'needs Linux' };
  }
  if (isEngineWall(wall)) {
    return {
      wall,
      ready: false,
      reason: 'stands inside another wall, never alone',
      cure: `name process instead; inside it, ${ENGINE_PROGRAMS[wall]} run in ${wall} anyway`,
    };
  }
  const fact = facts.walls[wall];
  return {
    wall,
    ready: false,
    reason: fact === undefined || fact.ready ? 'is not part of this release' : fact.reason,
    ...(fact?.cure === undefined ? {} : { cure: fact.cure }),
  };
}

function processState(facts: HostFacts): WallState {
  const lacks = (reason: string, cure: string): WallState => ({
    wall: 'process',
    ready: false,
    reason,
    cure,
  });
  const doctor = facts.namespaceCure ?? '`caisson doctor` names the cause and the cure';
  if (facts.platform !== 'linux') return lacks('needs Linux', 'run it on Linux');
  if (facts.arch === 'other') {
    return lacks('has no syscall table for this processor', 'run it on x86-64 or aarch64');
  }
  if (facts.userNamespace !== 0) {
    return lacks(`user namespaces are refused (errno ${facts.userNamespace})`, doctor);
  }
  if (facts.otherNamespaces !== 0) {
    return lacks(
      `namespaces inside a user namespace are refused (errno ${facts.otherNamespaces})`,
      doctor,
    );
  }
  if (facts.procMount !== 0) {
    return lacks(`a /proc of its own is refused (errno ${facts.procMount})`, doctor);
  }
  if (!facts.seccomp) {
    return lacks('the kernel has no seccomp filters', 'use a kernel with CONFIG_SECCOMP_FILTER');
  }
  return { wall: 'process', ready: true, reason: 'namespaces and seccomp work' };
}

function isBuilt(wall: WallName): wall is BuiltWall {
  return wall === 'none' || wall === 'child' || wall === 'process';
}

function reasonOf(taken: WallState, passed: readonly WallState[]): string {
  if (passed.length === 0) return `${taken.wall}: the first wall of the policy, and ready`;
  const fell = passed.map((state) => `${state.wall} ${state.reason}`).join('; ');
  return `${taken.wall}: the first wall of the policy that is ready (${fell})`;
}

function unisolated(): CaissonError {
  return new CaissonError('UNISOLATED', {
    layer: 'plan',
    hint: 'choose the level basic or above, or say so with allowUnisolated: true (--unisolated)',
  });
}

function unavailable(policy: Policy, passed: readonly WallState[]): CaissonError {
  const missing = passed.map((state) => `${state.wall} ${state.reason}`).join('; ');
  const cures = passed.flatMap(({ wall, cure }) =>
    cure === undefined ? [] : [`${wall}: ${cure}`],
  );
  const fallback =
    policy.level === 'paranoid' ? ['choose the level strict, whose wall is process'] : [];
  return new CaissonError('WALL_UNAVAILABLE', {
    layer: 'plan',
    message: `level ${policy.level} needs ${policy.walls.join(' or ')}, and none is ready: ${missing}`,
    hint: [...cures, ...fallback].join('; ') || '`caisson doctor` shows what each wall needs',
    details: {
      walls: passed.map(({ wall, reason, cure }) => ({
        wall,
        reason,
        ...(cure === undefined ? {} : { cure }),
      })),
    },
  });
}
