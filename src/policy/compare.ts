/**
 * The order on policies: does `a` allow all that `b` allows, and if not, what not.
 *
 * Exact for paths, destinations, ports, names of the environment, capabilities, devices, walls and
 * limits. Where the answer needs what this layer does not know (which system calls a preset holds,
 * which files exist), it errs towards "no": `subsumes` never says yes wrongly.
 */
import { admissionExcess } from './admission.ts';
import { CAPABILITY_NAMES } from './capability-names.ts';
import { type Excess, networkExcess } from './compare-network.ts';
import { LEVEL_NAMES } from './levels.ts';
import { excessLimits } from './limits.ts';
import { namePatterns, subtractNames } from './name-set.ts';
import { violationEnding } from './on-violation.ts';
import { WORKSPACE } from './path.ts';
import { pathSet, subtractPaths, touchesPath, unionPaths } from './path-set.ts';
import type { PathSet, Policy } from './policy.ts';
import { coversProtected } from './protect.ts';
import { sideChannelExcess } from './side-channels.ts';
import { SYSTEM_DIRECTORIES } from './system-directories.ts';

export type { Excess };

export type Subsumption = { readonly ok: true } | { readonly ok: false; readonly witness: string };

export interface PolicyDiff {
  /** What the first may and the second may not, in sentences. */
  readonly onlyFirst: readonly string[];
  readonly onlySecond: readonly string[];
  /** Differences that allow neither more nor less. */
  readonly other: readonly string[];
}

/**
 * Whether `a` allows all that `b` allows.
 *
 * @param names what to call the two in the witness
 * @example subsumes(a, b) // {ok: false, witness: 'b may connect to pypi.org:443, a may not'}
 */
export function subsumes(
  a: Policy,
  b: Policy,
  names: { readonly a: string; readonly b: string } = { a: 'a', b: 'b' },
): Subsumption {
  const [first] = excess(b, a);
  return first === undefined
    ? { ok: true }
    : { ok: false, witness: `${names.b} may ${first.may}, ${names.a} may not` };
}

/** Everything in which two policies differ, in sentences. */
export function diffPolicies(
  first: Policy,
  second: Policy,
  names: { readonly first: string; readonly second: string } = { first: 'a', second: 'b' },
): PolicyDiff {
  const sentences = (of: Policy, over: Policy, who: string, not: string) =>
    excess(of, over).map(({ may }) => `${who} may ${may}, ${not} may not`);
  return {
    onlyFirst: sentences(first, second, names.first, names.second),
    onlySecond: sentences(second, first, names.second, names.first),
    other: neutralDifferences(first, second),
  };
}

/** What `of` may and `over` may not. */
export function excess(of: Policy, over: Policy): readonly Excess[] {
  return [
    ...levelExcess(of, over),
    ...pathExcess(of, over),
    ...networkExcess(of, over),
    ...environmentExcess(of, over),
    ...syscallExcess(of, over),
    ...capabilityExcess(of, over),
    ...of.devices
      .filter((device) => !over.devices.includes(device))
      .map((device) => ({ clause: 'devices', may: `use the device ${device}` })),
    ...(of.sys && !over.sys ? [{ clause: 'filesystem.sys', may: 'read /sys' }] : []),
    ...sideChannelExcess(of, over),
    ...admissionExcess(of, over),
    ...limitExcess(of, over),
  ];
}

function levelExcess(of: Policy, over: Policy): Excess[] {
  const lower = LEVEL_NAMES.indexOf(of.level) < LEVEL_NAMES.indexOf(over.level);
  return [
    ...(lower ? [{ clause: 'level', may: `run at the level ${of.level}` }] : []),
    ...of.walls
      .filter((wall) => !over.walls.includes(wall))
      .map((wall) => ({ clause: 'walls', may: `run behind the wall ${wall}` })),
  ];
}

function pathExcess(of: Policy, over: Policy): Excess[] {
  const rows = [
    ['filesystem.write', 'write', of.write, over.write],
    ['filesystem.read', 'read', effectiveRead(of), effectiveRead(over)],
    // Whoever may write the host's own /tmp has no need of a private one.
    [
      'filesystem.scratch',
      'use scratch space at',
      of.scratch,
      unionPaths(over.scratch, over.write),
    ],
  ] as const;
  return [
    ...rows.flatMap(([clause, verb, wide, narrow]) =>
      subtractPaths(wide, narrow)
        .rules.filter((rule) => rule.include)
        .map(({ path }) => ({ clause, may: `${verb} ${path}` })),
    ),
    ...workspaceExcess(of, over),
  ];
}

/** With the system directories that the view shows; what the policy says about them goes first. */
export function effectiveRead(policy: Policy): PathSet {
  if (policy.view !== 'system') return policy.read;
  const named = new Set(policy.read.rules.map((rule) => rule.path));
  const shown = SYSTEM_DIRECTORIES.filter((path) => !named.has(path));
  return pathSet([...policy.read.rules, ...shown.map((path) => ({ path, include: true }))]);
}

function workspaceExcess(of: Policy, over: Policy): Excess[] {
  if (!touchesPath(of.write, WORKSPACE)) return [];
  const mode = (policy: Policy) =>
    ['none', 'overlay manual', 'overlay auto', 'direct'].indexOf(
      policy.workspace.mode === 'overlay' || policy.workspace.mode === 'staged'
        ? `overlay ${policy.workspace.apply}`
        : policy.workspace.mode,
    );
  const writes = touchesPath(over.write, WORKSPACE);
  return [
    ...(writes && mode(of) > mode(over)
      ? [
          {
            clause: 'filesystem.workspace',
            may:
              of.workspace.mode === 'direct'
                ? 'change the workspace itself'
                : 'have its changes applied without a look at them',
          },
        ]
      : []),
    ...over.protect
      .filter((pattern) => !coversProtected(of.protect, pattern))
      .filter((pattern) => touchesPath(of.write, literalStem(pattern)))
      .map((pattern) => ({
        clause: 'filesystem.protect',
        may: `write the protected ${pattern}`,
      })),
  ];
}

function literalStem(pattern: string): string {
  const parts = pattern.split('/');
  const wild = parts.findIndex((part) => part.includes('*'));
  return [WORKSPACE, ...(wild < 0 ? parts : parts.slice(0, wild))].join('/');
}

function environmentExcess(of: Policy, over: Policy): Excess[] {
  return namePatterns(subtractNames(of.environment.pass, over.environment.pass))
    .filter((pattern) => !pattern.startsWith('!'))
    .map((pattern) => ({
      clause: 'environment.pass',
      may: `see the environment ${pattern === '*' ? 'as a whole' : `variable ${pattern}`}`,
    }));
}

function syscallExcess(of: Policy, over: Policy): Excess[] {
  const order = ['minimal', 'default', 'all'] as const;
  const [a, b] = [of.syscalls, over.syscalls];
  if (order.indexOf(a.preset) > order.indexOf(b.preset)) {
    return [{ clause: 'syscalls.preset', may: `make the system calls of the preset ${a.preset}` }];
  }
  const beyond = a.allow.filter(
    (name) => !a.deny.includes(name) && !b.allow.includes(name) && b.preset !== 'all',
  );
  const undenied = b.deny.filter((name) => !a.deny.includes(name));
  return [...new Set([...beyond, ...undenied])].map((name) => ({
    clause: 'syscalls.allow',
    may: `call ${name}`,
  }));
}

function capabilityExcess(of: Policy, over: Policy): Excess[] {
  const held = effectiveCapabilities(over);
  return effectiveCapabilities(of)
    .filter((name) => !held.includes(name))
    .map((name) => ({ clause: 'capabilities', may: `hold ${name}` }));
}

/** base ∪ add \ drop, in the order of their numbers. */
export function effectiveCapabilities({ capabilities }: Policy): readonly string[] {
  const { base, add, drop } = capabilities;
  return CAPABILITY_NAMES.filter(
    (name) => (base === 'all' || add.includes(name)) && !drop.includes(name),
  );
}

function limitExcess(of: Policy, over: Policy): Excess[] {
  return excessLimits(of.limits, over.limits).map(({ row, of: wide, over: narrow }) => {
    const size = wide === null ? 'any amount' : row.format(wide);
    return { clause: `limits.${row.key}`, may: `${row.what} ${size} (over ${row.format(narrow)})` };
  });
}

function neutralDifferences(a: Policy, b: Policy): string[] {
  const rows: [string, string, string][] = [
    ['hostname', a.hostname, b.hostname],
    ['intercept', String(a.network.intercept ?? false), String(b.network.intercept ?? false)],
    ['onOutputLimit', a.limits.onOutputLimit, b.limits.onOutputLimit],
    ['onViolation', violationEnding(a), violationEnding(b)],
    ['fileRefusals', a.fileRefusals ?? 'none', b.fileRefusals ?? 'none'],
    ['hermetic', String(a.hermetic ?? false), String(b.hermetic ?? false)],
    ['order of walls', a.walls.join(', '), b.walls.join(', ')],
  ];
  const names = new Set([...a.environment.set, ...b.environment.set].map(([name]) => name));
  const value = (policy: Policy, name: string) =>
    policy.environment.set.find(([known]) => known === name)?.[1] ?? '(not set)';
  for (const name of [...names].sort()) {
    rows.push([`environment ${name}`, value(a, name), value(b, name)]);
  }
  return rows
    .filter(([, first, second]) => first !== second)
    .map(([what, first, second]) => `${what}: ${first} against ${second}`);
}
