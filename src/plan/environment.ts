/**
 * The guest's environment: what a private root starts from, what the policy passes on, what it sets.
 */
import { containsName } from '../policy/name-set.ts';
import { isWithin } from '../policy/path-set.ts';
import type { Policy } from '../policy/policy.ts';
import type { Findings } from './findings.ts';
import { defaultPath, guest } from './guest.ts';
import type { JobTemplate } from './plan.ts';

/** Names that speak of the host's own tree or of the caller, so that passing them into a private root would mislead. */
const ofTheHost = new Set(['HOME', 'LOGNAME', 'OLDPWD', 'PATH', 'PWD', 'SHELL', 'TMPDIR', 'USER']);

export function compileEnvironment(
  policy: Policy,
  privateRoot: boolean,
  findings: Findings,
): JobTemplate['environment'] {
  const { pass, set } = policy.environment;
  const passed = [
    ...(pass.complement ? ['all'] : []),
    ...pass.names.map((name) => (pass.complement ? `not ${name}` : name)),
    ...(pass.except ?? []).map((name) => (pass.complement ? name : `not ${name}`)),
  ];
  findings.enforce(
    'environment',
    [
      passed.length === 0 ? 'nothing passed' : `pass ${passed.join(', ')}`,
      ...(set.length === 0 ? [] : [`set ${set.map(([name]) => name).join(', ')}`]),
    ].join('; '),
    ['environment made anew for each job'],
    'leaked-descriptors',
  );
  return {
    pass,
    set: withAuthority(policy),
    base: privateRoot
      ? [
          ['HOME', guest.home],
          ['LANG', 'C.UTF-8'],
          ['LOGNAME', guest.name],
          ['SHELL', '/bin/sh'],
          ['TERM', 'dumb'],
          ['TMPDIR', '/tmp'],
          ['USER', guest.name],
        ]
      : [],
  };
}

/** Where a sandbox with `intercept` has the certificates it trusts, its own authority's among them; a job binds it. */
export const CA_FILE = '/etc/caisson/ca.pem';

/** Variables by which common programs take another file of certificates than their built-in one. */
const CA_VARIABLES = [
  'AWS_CA_BUNDLE',
  'CARGO_HTTP_CAINFO',
  'CURL_CA_BUNDLE',
  'DENO_CERT',
  'GIT_SSL_CAINFO',
  'NODE_EXTRA_CA_CERTS',
  'PIP_CERT',
  'REQUESTS_CA_BUNDLE',
  'SSL_CERT_FILE',
] as const;

/** What the policy sets itself stands. */
function withAuthority({ network, environment }: Policy): Policy['environment']['set'] {
  if (network.intercept !== true) return environment.set;
  return [
    ...new Map([...CA_VARIABLES.map((name) => [name, CA_FILE] as const), ...environment.set]),
  ];
}

export interface EnvironmentInput {
  /** The caller's own. */
  readonly caller: Readonly<Record<string, string | undefined>>;
  /** Set by the toolchain that the command needs. */
  readonly toolchain: readonly (readonly [name: string, value: string])[];
  /** Directories of commands, first the toolchain's. */
  readonly path: readonly string[];
  /** Set by this run, over everything. */
  readonly run: Readonly<Record<string, string>>;
  /** Never taken from the caller, whatever is passed. */
  readonly secrets?: readonly string[];
  /** What shows inside; entries of the caller's PATH elsewhere lead nowhere. */
  readonly visible: readonly string[];
}

/**
 * Sorted by name. Each over the one before: base, what is passed, toolchain, `set`, the run's own.
 * In a private root PATH is the toolchain's directories, those of the caller's (when passed) that show inside, and
 * the standard ones.
 */
export function bindEnvironment(
  { pass, set, base }: JobTemplate['environment'],
  input: EnvironmentInput,
): readonly (readonly [string, string])[] {
  const privateRoot = base.length > 0;
  const result = new Map<string, string>(base);
  for (const [name, value] of Object.entries(input.caller)) {
    if (value === undefined || !containsName(pass, name)) continue;
    if (input.secrets?.includes(name)) continue;
    if (
      privateRoot &&
      ofTheHost.has(name) &&
      !(name !== 'PATH' && pass.names.includes(name) && !pass.complement)
    ) {
      continue;
    }
    result.set(name, value);
  }
  if (privateRoot) {
    const own = containsName(pass, 'PATH') ? (input.caller.PATH?.split(':') ?? []) : [];
    const shown = own.filter((entry) => input.visible.some((place) => isWithin(entry, place)));
    const entries = [...input.path, ...shown, ...defaultPath];
    result.set('PATH', [...new Set(entries)].join(':'));
  }
  for (const [name, value] of input.toolchain) result.set(name, value);
  for (const [name, value] of set) result.set(name, value);
  for (const [name, value] of Object.entries(input.run)) result.set(name, value);
  return [...result].sort(([a], [b]) => (a < b ? -1 : 1));
}
