/**
 * Union and intersection of policies.
 *
 * The intersection allows what both allow; the union is the least policy that can be written which
 * allows what either allows. `subsumes(union(a, b), a)` and `subsumes(a, intersect(a, b))` hold.
 */
import { CaissonError } from '../core/error.ts';
import { combineAdmission } from './admission.ts';
import { intersectNetwork, unionNetwork } from './combine-network.ts';
import { effectiveCapabilities, effectiveRead } from './compare.ts';
import { combineFileRefusals } from './file-refusals.ts';
import { LEVEL_NAMES } from './levels.ts';
import { joinLimits, meetLimits } from './limits.ts';
import { containsName, intersectNames, unionNames } from './name-set.ts';
import { combineEndings, onViolationFor } from './on-violation.ts';
import { WORKSPACE } from './path.ts';
import { containsPath, intersectPaths, touchesPath, unionPaths } from './path-set.ts';
import type { Policy } from './policy.ts';
import { coversProtected } from './protect.ts';
import { combineSideChannels } from './side-channels.ts';
import { SYSTEM_DIRECTORIES } from './system-directories.ts';

const VIEWS = ['named', 'system', 'host'] as const;
const PRESETS = ['minimal', 'default', 'all'] as const;

/**
 * What both policies allow.
 *
 * @throws CaissonError `POLICY_INVALID` when no wall would do for both
 */
export function intersectPolicies(a: Policy, b: Policy): Policy {
  const walls = a.walls.filter((wall) => b.walls.includes(wall));
  if (walls.length === 0) {
    throw new CaissonError('POLICY_INVALID', {
      layer: 'policy',
      message: `no wall is allowed by both ${a.name} (${a.walls.join(', ')}) and ${b.name} (${b.walls.join(', ')})`,
      hint: 'name a common wall under `walls` in one of them',
    });
  }
  const write = intersectPaths(a.write, b.write);
  const read = intersectPaths(effectiveRead(a), effectiveRead(b));
  const stricter = VIEWS[Math.min(VIEWS.indexOf(a.view), VIEWS.indexOf(b.view))] ?? 'named';
  // The system view would show again what one of the two has carved out of it whole.
  const shownAgain = SYSTEM_DIRECTORIES.some((path) => !containsPath(read, path));
  const view = stricter === 'system' && shownAgain ? 'named' : stricter;
  const scratch = intersectPaths(a.scratch, b.scratch);
  const network = intersectNetwork(a, b);
  const used = [read, write, scratch].some((set) => touchesPath(set, WORKSPACE));
  return {
    ...common(a, b),
    level: higher(a, b),
    walls,
    view,
    read,
    write,
    scratch,
    protect: [...new Set([...a.protect, ...b.protect])].sort(),
    workspace: used ? mostCareful(a, b) : { mode: 'none', apply: 'manual' },
    network,
    environment: {
      pass: intersectNames(a.environment.pass, b.environment.pass),
      set: mergeSet(a, b),
    },
    syscalls: intersectSyscalls(a, b),
    capabilities: {
      base: 'none',
      add: effectiveCapabilities(a)
        .filter((name) => effectiveCapabilities(b).includes(name))
        .toSorted(),
      drop: [],
    },
    devices: a.devices.filter((device) => b.devices.includes(device)),
    sys: a.sys && b.sys,
    ...onViolationFor(higher(a, b), combineEndings('stricter', a, b)),
    ...combineFileRefusals('more', a, b),
    ...combineSideChannels('stricter', higher(a, b), network.secrets !== undefined, a, b),
    ...combineAdmission('stricter', a, b),
    limits: meetLimits(a.limits, b.limits),
  };
}

/**
 * The least policy that allows what either allows.
 *
 * @throws CaissonError `POLICY_INVALID` when there is none: one keeps a secret out of the guest, and the other hands it
 * in, or has a network without the proxy that would put it in
 */
export function unionPolicies(a: Policy, b: Policy): Policy {
  for (const [one, other] of [
    [a, b],
    [b, a],
  ] as const) {
    requireSecretsKept(one, other);
  }
  const network = unionNetwork(a, b);
  const view = VIEWS[Math.max(VIEWS.indexOf(a.view), VIEWS.indexOf(b.view))] ?? 'host';
  return {
    ...common(a, b),
    level: lower(a, b),
    walls: [...new Set([...a.walls, ...b.walls])],
    view,
    read: withWritten(a, b, unionPaths(effectiveRead(a), effectiveRead(b))),
    write: unionPaths(a.write, b.write),
    scratch: unionPaths(a.scratch, b.scratch),
    protect: [
      ...a.protect.filter((pattern) => writesNothing(b) || coversProtected(b.protect, pattern)),
      ...b.protect.filter((pattern) => writesNothing(a) || coversProtected(a.protect, pattern)),
    ]
      .filter((pattern, i, all) => all.indexOf(pattern) === i)
      .sort(),
    workspace: leastCareful(a, b),
    network,
    environment: {
      pass: unionNames(a.environment.pass, b.environment.pass),
      set: mergeSet(a, b),
    },
    syscalls: {
      preset: presetAt(
        Math.max(PRESETS.indexOf(a.syscalls.preset), PRESETS.indexOf(b.syscalls.preset)),
      ),
      allow: [...new Set([...a.syscalls.allow, ...b.syscalls.allow])].sort(),
      deny: a.syscalls.deny.filter((name) => b.syscalls.deny.includes(name)),
    },
    capabilities: {
      base: 'none',
      add: [...new Set([...effectiveCapabilities(a), ...effectiveCapabilities(b)])].sort(),
      drop: [],
    },
    devices: [...new Set([...a.devices, ...b.devices])].sort(),
    sys: a.sys || b.sys,
    ...onViolationFor(lower(a, b), combineEndings('weaker', a, b)),
    ...combineFileRefusals('less', a, b),
    ...combineSideChannels('weaker', lower(a, b), network.secrets !== undefined, a, b),
    ...combineAdmission('weaker', a, b),
    limits: joinLimits(a.limits, b.limits),
  };
}

/** Whether the guest would have the value of a secret, or no proxy that knows it. */
function requireSecretsKept(keeps: Policy, other: Policy): void {
  for (const { name } of keeps.network.secrets ?? []) {
    const { pass, set } = other.environment;
    const handedIn = containsName(pass, name) || set.some(([known]) => known === name);
    const { mode } = other.network;
    if (!handedIn && mode !== 'full' && mode !== 'internal') continue;
    throw new CaissonError('POLICY_INVALID', {
      layer: 'policy',
      message: handedIn
        ? `${keeps.name} keeps ${name} out of the guest, and ${other.name} hands it in`
        : `${keeps.name} sends ${name} through the egress proxy, and ${other.name} has the network mode ${mode}, which has none`,
      hint: `take ${name} out of one of the two`,
    });
  }
}

function common(a: Policy, b: Policy): Pick<Policy, 'version' | 'name' | 'hostname'> {
  return {
    version: 1,
    name: a.name === b.name ? a.name : `${a.name} with ${b.name}`,
    hostname: a.hostname,
  };
}

function higher(a: Policy, b: Policy): Policy['level'] {
  return LEVEL_NAMES.indexOf(a.level) >= LEVEL_NAMES.indexOf(b.level) ? a.level : b.level;
}

function lower(a: Policy, b: Policy): Policy['level'] {
  return higher(a, b) === a.level ? b.level : a.level;
}

function writesNothing(policy: Policy): boolean {
  return !touchesPath(policy.write, WORKSPACE);
}

function care({ workspace }: Policy): number {
  if (workspace.mode === 'none') return 3;
  if (workspace.mode === 'staged') return workspace.apply === 'manual' ? 2.5 : 1.5;
  if (workspace.mode === 'overlay') return workspace.apply === 'manual' ? 2 : 1;
  return 0;
}

/** Only where both stage their workspace is writing apart from reading. */
function withWritten(a: Policy, b: Policy, read: Policy['read']): Policy['read'] {
  if (leastCareful(a, b).mode === 'staged') return read;
  return unionPaths(read, unionPaths(a.write, b.write));
}

function mostCareful(a: Policy, b: Policy): Policy['workspace'] {
  return care(a) >= care(b) ? a.workspace : b.workspace;
}

function leastCareful(a: Policy, b: Policy): Policy['workspace'] {
  return care(a) <= care(b) ? a.workspace : b.workspace;
}

/** Values are no permissions; where both set one, the first one's holds. */
function mergeSet(a: Policy, b: Policy): Policy['environment']['set'] {
  return [...new Map([...b.environment.set, ...a.environment.set])].sort(([x], [y]) =>
    x < y ? -1 : 1,
  );
}

function presetAt(index: number): Policy['syscalls']['preset'] {
  return PRESETS[index] ?? 'minimal';
}

/** Names that one policy adds to a preset which the other also holds cannot be told here: they are dropped. */
function intersectSyscalls(a: Policy, b: Policy): Policy['syscalls'] {
  const [x, y] = [a.syscalls, b.syscalls];
  return {
    preset: presetAt(Math.min(PRESETS.indexOf(x.preset), PRESETS.indexOf(y.preset))),
    allow: [...new Set([...x.allow, ...y.allow])]
      .filter(
        (name) =>
          (x.allow.includes(name) || x.preset === 'all') &&
          (y.allow.includes(name) || y.preset === 'all'),
      )
      .sort(),
    deny: [...new Set([...x.deny, ...y.deny])].sort(),
  };
}
