/**
 * The private root: what every sandbox of a kind has in common, and the places where late mounts go.
 */

import { formatBytes } from '../core/units.ts';
import { WORKSPACE } from '../policy/path.ts';
import { isWithin } from '../policy/path-set.ts';
import type { Policy } from '../policy/policy.ts';
import { compileDev, compileProc, compileSys } from './dev.ts';
import { CA_FILE } from './environment.ts';
import { compileEtc } from './etc.ts';
import type { HostFacts } from './facts.ts';
import type { Findings } from './findings.ts';
import { compileHostPaths, type HostPath } from './host-paths.ts';
import type { LateMount, Mount } from './plan.ts';

/** What is known of a named path of the host; gathered by `host/`, since `plan` looks at no file. */
export interface NamedPath {
  readonly path: string;
  /** Where it leads, links resolved. */
  readonly real: string;
  /** `missing`: carved out of what may be written, and not there. */
  readonly kind: 'file' | 'directory' | 'missing';
}

export interface RootInput {
  /** The workspace of the runs to come; only its top-level directory shapes the plan. */
  readonly workspace?: string;
  /** Further directories that jobs will bind (toolchains). */
  readonly late?: readonly string[];
  readonly named?: readonly NamedPath[];
}

export interface Root {
  readonly mounts: readonly Mount[];
  readonly scaffold: readonly string[];
  readonly late: readonly LateMount[];
  readonly places: readonly string[];
  readonly system: readonly string[];
  /** Whether the workspace shows inside. */
  readonly workspace: boolean;
  /** For Landlock: what may be read, and what may be written, in every sandbox of the kind. */
  readonly readable: readonly string[];
  readonly writable: readonly string[];
}

/** Where scratch is when the policy says no size: enough for a compiler, not enough to fill a host. */
const DEFAULT_SCRATCH_BYTES = 256 * 2 ** 20;
const ROOT_BYTES = 4 * 2 ** 20;

/** Directories of the root in which the plan itself binds, so that no scaffold may cover them. */
const fixedTops = ['/etc', '/dev', '/proc', '/sys'] as const;

export function compileRoot(
  policy: Policy,
  facts: HostFacts,
  input: RootInput,
  findings: Findings,
): Root {
  const hostPaths = compileHostPaths(policy, facts);
  refuseMissing(input, findings);
  const system = systemMounts(policy, facts);
  const bytes = policy.limits.scratchBytes ?? DEFAULT_SCRATCH_BYTES;
  const scratch = [
    ...new Set([
      ...(policy.view === 'host' ? [] : ['/tmp']),
      ...hostPaths.filter(isOwnScratch).map(({ path }) => path),
    ]),
  ].sort();
  const early = hostPaths.filter((entry) => isEarlyBind(entry));
  const late = hostPaths
    .filter((entry) => !isOwnScratch(entry) && !isEarlyBind(entry) && !isMissing(entry, input))
    .map((entry) => toLate(entry, input, bytes));

  const systemDirectories = system.flatMap((mount) =>
    mount.kind === 'bind' ? [mount.target] : [],
  );
  const places = planPlaces(policy, facts, input, {
    late: late.map(({ target }) => target),
    existing: [...systemDirectories, ...scratch],
  });
  explainPaths(policy, facts, hostPaths, scratch, bytes, findings);
  const ca = policy.network.intercept === true ? [CA_FILE] : [];
  return {
    mounts: [
      {
        kind: 'tmpfs',
        target: '/',
        flags: ['readonly', 'nosuid', 'nodev'],
        bytes: ROOT_BYTES,
        inodes: 4096,
        mode: 0o755,
      },
      ...system,
      ...(policy.view === 'host' ? [] : compileEtc(policy, facts)),
      ...early.map((entry) => earlyBind(entry, input)),
      ...compileDev(policy, facts, findings),
      ...places.made,
      ...compileProc(findings),
      ...compileSys(policy, findings),
      ...[...scratch, '/dev/shm'].map(
        (target): Mount => ({
          kind: 'tmpfs',
          target,
          flags: ['private', 'nosuid', 'nodev'],
          bytes,
          inodes: inodesFor(bytes),
          mode: 0o1777,
        }),
      ),
    ],
    scaffold: places.scaffold,
    late,
    places: [...systemDirectories, ...scratch, ...places.scaffold, ...places.exact, ...ca],
    system: systemDirectories,
    workspace: hostPaths.some(
      ({ path, use }) => path === WORKSPACE && (use === 'read' || use === 'write'),
    ),
    readable: [...systemDirectories, '/etc', ...(policy.sys ? ['/sys'] : [])].filter(
      (path) => path !== '/etc' || policy.view !== 'host',
    ),
    writable: [...scratch, '/dev/shm'],
  };
}

/** A file takes an inode and at least a page: more of them than pages cannot be filled with anything. */
export function inodesFor(bytes: number): number {
  return Math.min(1 << 20, Math.max(1024, Math.floor(bytes / 4096)));
}

function systemMounts(policy: Policy, facts: HostFacts): Mount[] {
  if (policy.view === 'named') return [];
  return facts.system.flatMap((entry): Mount[] => {
    if (entry.kind === 'symlink') {
      return [{ kind: 'symlink', target: entry.path, to: entry.to }];
    }
    if (policy.view === 'host') return [];
    return [
      {
        kind: 'bind',
        source: entry.path,
        target: entry.path,
        flags: ['readonly', 'nosuid', 'nodev', 'recursive'],
      },
    ];
  });
}

/** A scratch of the fixed root, as against one laid over what a job binds. */
function isOwnScratch({ path, use, inside }: HostPath): boolean {
  return use === 'scratch' && inside === 'absent' && !isWithin(path, WORKSPACE);
}

/** What is carved out of a directory that may be written and is not there, the guest could make. */
function refuseMissing({ named = [] }: RootInput, findings: Findings): void {
  const missing = named.filter(({ kind }) => kind === 'missing').map(({ path }) => path);
  if (missing.length === 0) return;
  findings.cannot({
    id: 'filesystem.write:missing',
    clause: 'filesystem.write',
    reason: `${missing.join(', ')} is carved out of what may be written and is not there: the guest could make it`,
    cure: 'make it first (mkdir, touch), or take it out of the policy',
    acceptable: true,
  });
}

/** Below the synthetic /etc no mount point can be made late. What is only read there is bound with the root. */
function isEarlyBind({ path, use }: HostPath): boolean {
  return use === 'read' && isWithin(path, '/etc') && path !== '/etc';
}

function earlyBind({ path }: HostPath, input: RootInput): Mount {
  return {
    kind: 'bind',
    source: realOf(path, input),
    target: path,
    flags: ['readonly', 'nosuid', 'nodev', 'recursive'],
  };
}

function toLate({ path, use }: HostPath, input: RootInput, bytes: number): LateMount {
  if (use === 'hidden') return { kind: 'mask', target: path };
  if (use === 'scratch') {
    return { kind: 'scratch', target: path, bytes, inodes: inodesFor(bytes) };
  }
  return {
    kind: 'bind',
    source: realOf(path, input),
    target: path,
    access: use === 'write' ? 'write' : 'read',
    ...(isFile(path, input) ? { file: true } : {}),
  };
}

/** Nothing can be mounted where nothing is. */
function isMissing({ path }: HostPath, input: RootInput): boolean {
  return input.named?.some((named) => named.path === path && named.kind === 'missing') ?? false;
}

function isFile(path: string, input: RootInput): boolean {
  return input.named?.some((named) => named.path === path && named.kind === 'file') ?? false;
}

function realOf(path: string, input: RootInput): string {
  return input.named?.find((named) => named.path === path)?.real ?? path;
}

interface Places {
  readonly made: readonly Mount[];
  readonly scaffold: readonly string[];
  readonly exact: readonly string[];
}

/**
 * A late mount needs a place, and the fixed root is read-only. Where nothing of the plan lies below the same
 * top-level directory, that directory becomes a scaffold, so that one plan serves every workspace below it; else the
 * very path is made in the plan.
 */
function planPlaces(
  policy: Policy,
  facts: HostFacts,
  input: RootInput,
  known: { late: readonly string[]; existing: readonly string[] },
): Places {
  const homeTop =
    policy.view === 'system' && facts.home !== undefined && facts.home !== '/'
      ? [`${topOf(facts.home)}/.`]
      : [];
  const wanted = [
    ...known.late.filter((path) => path.startsWith('/')),
    ...(input.workspace === undefined ? [] : [input.workspace]),
    ...(input.late ?? []),
    ...homeTop,
  ];
  const homeless = [...new Set(wanted)]
    .sort()
    .filter((path) => !known.existing.some((place) => isWithin(path, place)));
  const exact = homeless.filter(
    (path) => path === topOf(path) || fixedTops.some((top) => isWithin(path, top)),
  );
  const scaffold = new Set(
    homeless.filter((path) => !exact.some((place) => isWithin(path, place))).map(topOf),
  );
  return {
    scaffold: [...scaffold].sort(),
    exact,
    made: exact.map((target): Mount => {
      return isFile(target, input)
        ? { kind: 'file', target, content: '', mode: 0o444 }
        : { kind: 'directory', target, mode: 0o755 };
    }),
  };
}

function topOf(path: string): string {
  const slash = path.indexOf('/', 1);
  return slash < 0 ? path : path.slice(0, slash);
}

function explainPaths(
  policy: Policy,
  facts: HostFacts,
  hostPaths: readonly HostPath[],
  scratch: readonly string[],
  bytes: number,
  findings: Findings,
): void {
  const landlock = facts.landlockAbi > 0 && 'Landlock';
  const list = (use: HostPath['use']): string =>
    hostPaths
      .filter((entry) => entry.use === use)
      .map(({ path }) => path)
      .join(', ');
  findings.enforce(
    'filesystem.view',
    policy.view === 'system'
      ? 'system directories read-only, nothing else of the host'
      : policy.view === 'named'
        ? 'the named paths alone'
        : "the host's own tree",
    ['mount namespace with a root of its own', landlock, 'read-only binds'],
    'host-paths',
  );
  const read = list('read');
  if (read !== '') {
    findings.enforce('filesystem.read', read, ['read-only bind', landlock], 'host-paths');
  }
  const write = list('write');
  if (write !== '') {
    findings.enforce(
      'filesystem.write',
      write,
      [
        policy.workspace.mode === 'overlay' || policy.workspace.mode === 'staged'
          ? 'overlay (kept aside)'
          : 'bind',
        landlock,
        'links resolved before the bind',
      ],
      'planted-links',
    );
  }
  const hidden = list('hidden');
  if (hidden !== '') {
    findings.enforce('filesystem.hidden', hidden, ['empty read-only mask'], 'host-paths');
  }
  findings.enforce(
    'filesystem.scratch',
    `${[...scratch, '/dev/shm'].join(', ')}, ${formatBytes(bytes)} each`,
    ['tmpfs of the sandbox alone', 'size and inode limits'],
    'predictable-tmp',
  );
}
