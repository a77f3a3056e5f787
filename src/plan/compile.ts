/**
 * compile(policy, facts): what each mechanism must do, what enforces what, and what this host cannot enforce.
 * Pure: the same policy and facts give the same plan.
 */
import { CaissonError } from '../core/error.ts';
import { WORKSPACE } from '../policy/path.ts';
import { containsPath, isWithin } from '../policy/path-set.ts';
import type { Policy } from '../policy/policy.ts';
import { explainAdmission } from './admission.ts';
import { compileCgroup } from './cgroup.ts';
import { compileConfinement } from './confinement.ts';
import { CA_FILE, compileEnvironment } from './environment.ts';
import type { HostFacts } from './facts.ts';
import { Findings } from './findings.ts';
import { guest } from './guest.ts';
import { compileChildProcesses, compileRlimits, compileRunLimits } from './limits.ts';
import { compileNetwork } from './network.ts';
import type { Compiled, KindPlan, Namespace, Unenforceable } from './plan.ts';
import { compileRoot, type Root, type RootInput } from './root.ts';
import { type Selection, type SelectOptions, selectForExplain, selectWall } from './select.ts';
import { compileSideChannels, explainRelease, restrictsProcessor } from './side-channels.ts';

export interface CompileOptions extends SelectOptions, RootInput {
  /** What else is known not to be enforceable for the runs to come (protected paths that do not exist yet). */
  readonly unenforceable?: readonly Unenforceable[];
  /** Of a git worktree, the repository behind it; its place is among `late`. */
  readonly repository?: { readonly path: string; readonly access: 'overlay' | 'read' };
}

/**
 * The plan for one policy on one host. Run it only after `requireEnforceable`.
 *
 * @throws CaissonError `UNISOLATED`, `PLATFORM_UNSUPPORTED`, `WALL_UNAVAILABLE` (see `selectWall`), `POLICY_INVALID`
 * (a path or a system call that no sandbox can have), `PATH_MISSING` (a device that the host lacks)
 */
export function compile(policy: Policy, facts: HostFacts, options: CompileOptions = {}): Compiled {
  const findings = new Findings();
  return compileFor(selectWall(policy, facts, options), policy, facts, options, findings);
}

/**
 * As `compile`, but where no wall is ready it shows what the first one would do, with what is missing as something
 * that no `--accept` lifts. For `explain`, on any platform.
 */
export function compileForExplain(
  policy: Policy,
  facts: HostFacts,
  options: CompileOptions = {},
): Compiled {
  const findings = new Findings();
  const { selection, missing } = selectForExplain(policy, facts);
  for (const item of missing) findings.cannot(item);
  return compileFor(selection, policy, facts, options, findings);
}

function compileFor(
  { wall, wallReason }: Selection,
  policy: Policy,
  facts: HostFacts,
  options: CompileOptions,
  findings: Findings,
): Compiled {
  if (policy.hermetic === true) findings.cannot(hermeticNotBuilt);
  const compiled =
    wall === 'process'
      ? compileProcess(policy, facts, options, findings)
      : compileHostView(wall, policy, facts, findings);
  explainRelease(policy, findings);
  explainAdmission(policy, findings);
  for (const item of options.unenforceable ?? []) findings.cannot(item);
  return { ...compiled, wallReason, ...findings.result() };
}

type Bare =
  | Pick<Extract<Compiled, { wall: 'process' }>, 'wall' | 'kind' | 'job'>
  | Pick<Extract<Compiled, { wall: 'child' | 'none' }>, 'wall' | 'child' | 'job'>;

function compileProcess(
  policy: Policy,
  facts: HostFacts,
  options: CompileOptions,
  findings: Findings,
): Bare {
  const root = compileRoot(policy, facts, options, findings);
  explainProtect(policy, findings);
  const environment = compileEnvironment(policy, true, findings);
  findings.enforce(
    'identity',
    `${guest.name}, uid ${guest.uid}; never root of the host`,
    ['user namespace', 'no_new_privs', 'nosuid on every mount'],
    'setuid',
  );
  explainGroups(policy, facts, findings);
  findings.enforce(
    'isolation',
    'sees and signals the processes of its own sandbox alone; no shared memory, queues or keyrings with others',
    ['pid namespace', 'ipc namespace', 'seccomp'],
    'cross-sandbox',
  );
  findings.enforce(
    'terminal',
    'cannot type for the caller',
    ['session of its own', 'seccomp on TIOCSTI and TIOCLINUX'],
    'terminal-injection',
  );
  const network = compileNetwork(policy, facts, findings);
  const confinement = compileConfinement(policy, facts, root, network, findings);
  const cgroup = compileCgroup(policy, facts, findings);
  const rlimits = compileRlimits(policy, facts, 'process', findings);
  const limits = compileRunLimits(policy.limits, findings);
  noteIdmap(policy, facts, root.workspace, findings);
  noteSockets(root, findings);
  noteRepository(options, findings);
  const staged = policy.workspace.mode === 'staged';
  if (staged) explainStaged(policy, findings);
  const kind: KindPlan = {
    namespaces: namespacesOf(network.ownNamespace),
    uid: guest.uid,
    gid: guest.gid,
    hostname: policy.hostname,
    mounts: root.mounts,
    ...confinement,
    ...compileSideChannels(policy, facts, findings),
    rlimits,
    ...(cgroup === undefined ? {} : { cgroup }),
    limits,
    scaffold: root.scaffold,
    ...(network.setup === undefined ? {} : { network: network.setup }),
  };
  return {
    wall: 'process',
    kind,
    job: {
      mounts: root.late,
      places: root.places,
      system: root.system,
      ...hiddenOf(policy),
      idmap: facts.idmap === 0,
      landlockAbi: kind.landlock?.abi ?? 0,
      workspace: !root.workspace ? 'none' : staged ? 'overlay' : policy.workspace.mode,
      environment,
      cwd: root.workspace ? WORKSPACE : guest.home,
      ...(policy.network.intercept === true
        ? {
            intercept: {
              caFile: CA_FILE,
              secrets: (policy.network.secrets ?? []).map(({ name }) => name),
            },
          }
        : {}),
    },
  };
}

/** Walls `child` and `none`: the host as the caller sees it. */
function compileHostView(
  wall: 'child' | 'none',
  policy: Policy,
  facts: HostFacts,
  findings: Findings,
): Bare {
  const child = wall === 'child';
  findings.note(
    child
      ? 'level basic: the guest sees and may do what the caller may; it is kept from running away, not from doing harm'
      : 'level none: nothing stands between the guest and the host',
  );
  const restricted = restrictionsOf(policy);
  if (restricted.length > 0) refuseHostView(restricted, policy);
  const environment = compileEnvironment(policy, false, findings);
  if (child) {
    findings.enforce('identity', 'gains no rights', ['no_new_privs'], 'setuid');
  }
  const rlimits = child ? compileRlimits(policy, facts, 'child', findings) : [];
  const cgroup = child ? compileCgroup(policy, facts, findings, 'child') : undefined;
  const processes = child ? compileChildProcesses(policy.limits, facts, findings) : undefined;
  return {
    wall,
    child: {
      noNewPrivs: child,
      rlimits,
      ...(cgroup === undefined ? {} : { cgroup }),
      limits: compileRunLimits(policy.limits, findings),
      ...(processes === undefined ? {} : { processes }),
    },
    job: {
      mounts: [],
      places: ['/'],
      system: ['/'],
      idmap: false,
      landlockAbi: 0,
      workspace: 'none',
      environment,
    },
  };
}

function hiddenOf({ read }: Policy): { readonly hidden?: readonly string[] } {
  const hidden = read.rules.flatMap(({ path, include }) =>
    !include && path.startsWith('/') ? [path] : [],
  );
  return hidden.length === 0 ? {} : { hidden };
}

/** What a policy keeps from the guest that a child of the caller has. */
function restrictionsOf(policy: Policy): string[] {
  const whole = (set: Policy['read']): boolean =>
    containsPath(set, '/') && set.rules.every(({ include }) => include);
  const clauses: readonly (readonly [string, boolean])[] = [
    ['filesystem.read', policy.view !== 'host' || !whole(policy.read)],
    ['filesystem.write', !whole(policy.write)],
    ['filesystem.protect', policy.protect.length > 0],
    ['filesystem.scratch', policy.scratch.rules.length > 0],
    [
      'filesystem.workspace',
      policy.workspace.mode === 'overlay' || policy.workspace.mode === 'staged',
    ],
    ['network', policy.network.mode !== 'full' || policy.network.deny.length > 0],
    ['syscalls', policy.syscalls.preset !== 'all' || policy.syscalls.deny.length > 0],
    ['sideChannels', restrictsProcessor(policy)],
    ['capabilities', policy.capabilities.base !== 'all' || policy.capabilities.drop.length > 0],
  ];
  return clauses.flatMap(([clause, restricted]) => (restricted ? [clause] : []));
}

function refuseHostView(clauses: readonly string[], policy: Policy): never {
  throw new CaissonError('POLICY_INVALID', {
    layer: 'plan',
    message: `level ${policy.level} keeps nothing of the host from the guest, and the policy restricts ${clauses.join(', ')}`,
    hint: 'choose the level moderate or strict, whose walls can',
    details: { clauses },
  });
}

function namespacesOf(ownNetwork: boolean): readonly Namespace[] {
  return [
    'user',
    'mount',
    'pid',
    ...(ownNetwork ? (['net'] as const) : []),
    'ipc',
    'uts',
    'cgroup',
  ];
}

function explainStaged(policy: Policy, findings: Findings): void {
  const named = (set: Policy['read']): string => {
    const below = set.rules.filter(({ path }) => isWithin(path, WORKSPACE));
    const shown = below.slice(0, 6).map(({ path, include }) => `${include ? '' : '!'}${path}`);
    const more = below.length > 6 ? ` and ${below.length - 6} more` : '';
    return below.length === 0 ? 'nothing' : `${shown.join(', ')}${more}`;
  };
  findings.enforce(
    'filesystem.workspace',
    `of the workspace sees ${named(policy.read)}; brings out ${named(policy.write)}`,
    ['copies in an overlay of its own', 'other changes are kept aside'],
    'staged-workspace',
  );
}

function explainProtect(policy: Policy, findings: Findings): void {
  if (policy.protect.length === 0) return;
  const { mode } = policy.workspace;
  const shown = policy.protect.slice(0, 6).join(', ');
  const more = policy.protect.length > 6 ? ` and ${policy.protect.length - 6} more` : '';
  findings.enforce(
    'filesystem.protect',
    `${shown}${more}`,
    mode === 'overlay' || mode === 'staged'
      ? ['read-only binds over what exists', 'refused when changes are applied']
      : ['read-only binds over what exists', 'directories above it are mount points'],
    'policy-in-guest',
  );
  if (mode === 'direct') {
    findings.note(
      'filesystem.protect: written directly, a protected file is held unless somebody outside renames another one over it while the guest runs',
    );
  }
}

function noteRepository({ repository }: CompileOptions, findings: Findings): void {
  if (repository === undefined) return;
  const how =
    repository.access === 'overlay'
      ? 'what git writes there is kept aside and applied with the changes of the workspace'
      : 'read-only';
  findings.note(
    `filesystem.read: the workspace is a git worktree, so its repository ${repository.path} shows too, ${how}`,
  );
}

/** connect(2) to a named socket asks for the right to write the socket itself, and a read-only mount does not take it away (unix(7)). */
function noteSockets(root: Root, findings: Findings): void {
  const shown = root.late.flatMap((mount) => (mount.kind === 'bind' ? [mount.target] : []));
  if (shown.length === 0) return;
  const more = shown.length > 6 ? ` and ${shown.length - 6} more` : '';
  findings.note(
    `filesystem.read: a unix socket below ${shown.slice(0, 6).join(', ')}${more} can be connected to where its permissions allow; name no directory that holds one which the guest must not reach`,
  );
}

/** setgroups(2) is denied in a user namespace made without privilege, so that nobody loses a group that a file denies. */
function explainGroups(policy: Policy, facts: HostFacts, findings: Findings): void {
  const kept = facts.supplementaryGroups ?? [];
  findings.enforce(
    'groups',
    kept.length === 0 ? `gid ${guest.gid} alone` : `gid ${guest.gid}, and the caller's others`,
    ['setgroups denied or emptied before the map is written'],
    'supplementary-groups',
  );
  if (kept.length === 0) return;
  const reason = `the guest stays in the caller's supplementary groups (${kept.join(', ')}), which only root can give up; files of theirs that it sees, it may use`;
  if (policy.level === 'strict' || policy.level === 'paranoid') {
    const cure = 'run as a user who is in no other group, or as root';
    findings.cannot({ id: 'groups:kept', clause: 'groups', reason, cure, acceptable: true });
  } else {
    findings.note(`groups: ${reason}`);
  }
}

function noteIdmap(policy: Policy, facts: HostFacts, workspace: boolean, findings: Findings): void {
  if (facts.euid !== 0 || facts.idmap === 0 || !workspace) return;
  if (!containsPath(policy.write, WORKSPACE)) return;
  findings.note(
    "filesystem.write: the root directory's file system refuses idmapped mounts; a workspace on it is refused, with an overlay too: put it on ext4, xfs, btrfs or tmpfs (in Docker: a volume), or run as the ordinary user who owns it",
  );
}

const hermeticNotBuilt: Unenforceable = {
  id: 'hermetic:not-built',
  clause: 'hermetic',
  reason: 'this release runs no hermetic builds',
  cure: 'take `hermetic` out of the policy',
  acceptable: false,
};
