/**
 * The next stronger wall, for code that is admitted but not trusted.
 *
 * | level | one step up |
 * |---|---|
 * | `none`, `basic` | `moderate`, and of everything the policy says what `moderate` allows, too |
 * | `moderate` | `strict`: its limits; no capabilities, devices, /sys, network without a proxy, system calls beyond the default; what it writes to the workspace is kept aside until somebody has looked |
 * | `strict` | the same, and no network at all, no secrets, no further processes (system calls `minimal`), and any violation ends the run |
 * | `paranoid` | there is none |
 *
 * Paths stay those that the policy names from `moderate` on: a wall that hides what it was given would be a refusal in
 * disguise.
 */
import { intersectPolicies } from './combine.ts';
import { subsumes } from './compare.ts';
import { levels } from './levels.ts';
import { meetLimits } from './limits.ts';
import { intersectNames, nameSet } from './name-set.ts';
import type { Policy } from './policy.ts';
import { levelPolicy } from './presets.ts';

const made = new WeakMap<Policy, Policy>();

/** Undefined where there is nothing stronger. The same object for the same policy. Allows nothing that it did not. */
export function strengthen(policy: Policy): Policy | undefined {
  if (policy.level === 'paranoid') return undefined;
  const known = made.get(policy);
  if (known !== undefined) return known;
  const stronger =
    policy.level === 'none' || policy.level === 'basic'
      ? toModerate(policy)
      : toStrict(policy, policy.level === 'strict');
  if (stronger === undefined || !subsumes(policy, { ...stronger, walls: policy.walls }).ok) {
    return undefined;
  }
  const named = Object.freeze({ ...stronger, name: `${policy.name} strengthened` });
  made.set(policy, named);
  return named;
}

function toModerate(policy: Policy): Policy | undefined {
  const moderate = levelPolicy('moderate');
  const own = policy.walls.filter((wall) => levels.moderate.mayUse.includes(wall));
  const walls = own.length > 0 ? own : moderate.walls;
  return intersectPolicies({ ...policy, walls }, { ...moderate, walls });
}

function toStrict(policy: Policy, sealed: boolean): Policy {
  const { workspace, network, syscalls } = policy;
  const { secrets: _, ...open } = network;
  const none = { mode: 'none', allow: [], deny: [], listen: [] } as const;
  const writes = workspace.mode === 'direct' && policy.write.rules.length > 0;
  return {
    ...policy,
    level: 'strict',
    workspace:
      workspace.mode === 'none'
        ? workspace
        : { mode: writes ? 'overlay' : workspace.mode, apply: 'manual' },
    network: sealed || open.mode === 'full' ? none : network,
    environment: {
      ...policy.environment,
      pass: intersectNames(policy.environment.pass, nameSet(levels.strict.document.pass)),
    },
    syscalls: {
      preset: sealed ? 'minimal' : syscalls.preset === 'all' ? 'default' : syscalls.preset,
      allow: [],
      deny: syscalls.deny,
    },
    capabilities: { base: 'none', add: [], drop: [] },
    devices: [],
    sys: false,
    limits: meetLimits(policy.limits, levels.strict.limits),
    ...(sealed ? { onViolation: 'kill' as const } : {}),
  };
}
