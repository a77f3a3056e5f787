/**
 * One job of a compiled policy: the template with its workspace, command and environment put in.
 */
import { CaissonError } from '../core/error.ts';
import { WORKSPACE } from '../policy/path.ts';
import { isWithin } from '../policy/path-set.ts';
import { bindEnvironment } from './environment.ts';
import { type LandlockGrant, landlockRules } from './landlock.ts';
import { type Bound, type OverlayDirectories, sorted, withPins } from './pins.ts';
import type {
  CgroupPlan,
  Job,
  JobTemplate,
  LandlockPathRule,
  Mount,
  MountFlag,
  RunLimits,
} from './plan.ts';

export interface BindInput {
  readonly argv: readonly string[];
  /** The caller's environment, from which the policy passes names on. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Set for this run, over everything else. */
  readonly set?: Readonly<Record<string, string>>;
  /** Absolute host path without links; it shows at the same path inside. */
  readonly workspace?: string;
  /** Another directory that takes the workspace's place (a copy of it). */
  readonly workspaceSource?: string;
  /** Where an overlay keeps what changes. Needed when the template's workspace is `overlay`. */
  readonly overlay?: OverlayDirectories;
  /** Existing paths of the workspace that stay as they are, and directories that must not be renamed away. */
  readonly protect?: { readonly existing: readonly string[]; readonly pinned: readonly string[] };
  /** What the command needs besides the system directories, read-only. */
  readonly toolchain?: {
    readonly binds: readonly {
      readonly source: string;
      readonly target: string;
      readonly file?: boolean;
    }[];
    readonly path: readonly string[];
    readonly env: readonly (readonly [string, string])[];
  };
  /** Further host paths of this run (the repository behind a worktree). The plan needs a place for each. */
  readonly binds?: readonly {
    readonly source: string;
    readonly target: string;
    readonly access: 'read' | 'write';
    readonly file?: boolean;
    readonly layers?: OverlayDirectories;
    /** Ours, of no owner inside. */
    readonly toolchain?: true;
  }[];
  /** Inside. */
  readonly cwd?: string;
  readonly limits?: Partial<RunLimits>;
  readonly cgroup?: CgroupPlan;
  readonly stdin?: Job['stdin'];
  readonly stdout?: Job['stdout'];
  readonly stderr?: Job['stderr'];
  readonly input?: Uint8Array;
  readonly pty?: Job['pty'];
}

/** Directories that no workspace can be: they would put the host's root, or a made-up tree, inside. */
const notWorkspaces = ['/', '/proc', '/sys', '/dev'] as const;

/**
 * @throws CaissonError `REQUEST_INVALID` (no or an impossible workspace, an overlay without its directories, NUL
 * bytes), `PLAN_INVALID` (the plan was compiled for workspaces elsewhere)
 */
export function bindJob(template: JobTemplate, input: BindInput): Job {
  checkWords(input);
  const workspace = checkWorkspace(template, input.workspace);
  const inside = (path: string): string =>
    isWithin(path, WORKSPACE) ? `${workspace ?? ''}${path.slice(WORKSPACE.length)}` : path;
  const late = withPins(ordered(template, input, inside), template, workspace);
  for (const { target } of late) requirePlace(template, late, target);
  const cwd = input.cwd ?? (template.cwd === undefined ? undefined : inside(template.cwd));
  return {
    argv: input.argv,
    env: bindEnvironment(template.environment, {
      caller: input.env,
      toolchain: input.toolchain?.env ?? [],
      path: input.toolchain?.path ?? [],
      run: input.set ?? {},
      secrets: template.intercept?.secrets ?? [],
      visible: [
        ...template.system,
        ...late.flatMap((mount) => (mount.kind === 'bind' ? [mount.target] : [])),
      ],
    }),
    cwd: cwd ?? '/',
    mounts: [
      ...late.map((mount) => toMount(mount, template, input, workspace)),
      ...protectMounts(input),
    ],
    landlock: rulesOf(template, late),
    stdin: input.stdin ?? 'null',
    stdout: input.stdout ?? 'capture',
    stderr: input.stderr ?? 'capture',
    ...(input.limits === undefined ? {} : { limits: input.limits }),
    ...(input.cgroup === undefined ? {} : { cgroup: input.cgroup }),
    ...(input.input === undefined ? {} : { input: input.input }),
    ...(input.pty === undefined ? {} : { pty: input.pty }),
  };
}

const ROOM_BYTES = 1 << 20;

/** Parents first: a prefix sorts before what lies below it. The same target twice: what may write wins. */
function ordered(
  template: JobTemplate,
  input: BindInput,
  inside: (path: string) => string,
): readonly Bound[] {
  const byTarget = new Map<string, Bound>();
  for (const mount of template.mounts) {
    const target = inside(mount.target);
    const bound: Bound =
      mount.kind === 'bind'
        ? { ...mount, source: inside(mount.source), target }
        : { ...mount, target };
    const earlier = byTarget.get(target);
    const stronger = earlier?.kind === 'bind' && earlier.access === 'write';
    if (!stronger) byTarget.set(target, bound);
  }
  for (const bind of input.binds ?? []) byTarget.set(bind.target, { kind: 'bind', ...bind });
  for (const { source, target, file } of input.toolchain?.binds ?? []) {
    if (shows(target, template, [...byTarget.values()])) continue;
    byTarget.set(target, {
      kind: 'bind',
      source,
      target,
      access: 'read',
      toolchain: true,
      ...(file === true ? { file } : {}),
    });
  }
  return sorted(withRoomBelow([...byTarget.values()]));
}

/** Nothing can be mounted in a mask: where something below it shows, an empty directory of the sandbox's own stands there. */
function withRoomBelow(mounts: readonly Bound[]): Bound[] {
  return mounts.map((mount): Bound => {
    const { target } = mount;
    const isWay = (other: Bound): boolean =>
      other.kind !== 'mask' && other.target !== target && isWithin(other.target, target);
    if (mount.kind !== 'mask' || !mounts.some(isWay)) return mount;
    return { kind: 'scratch', target, bytes: ROOM_BYTES, inodes: 1024, hides: true };
  });
}

/** Whether a toolchain's directory shows already, or is hidden by name, which stands. */
function shows(target: string, template: JobTemplate, mounts: readonly Bound[]): boolean {
  const above = mounts.filter((mount) => isWithin(target, mount.target));
  if (above.length > 0) return true;
  return [...template.system, ...(template.hidden ?? [])].some((path) => isWithin(target, path));
}

function toMount(
  mount: Bound,
  template: JobTemplate,
  input: BindInput,
  workspace: string | undefined,
): Mount {
  if (mount.kind === 'mask') return { kind: 'mask', target: mount.target };
  if (mount.kind === 'scratch') {
    return {
      kind: 'tmpfs',
      target: mount.target,
      flags: ['nosuid', 'nodev'],
      ...(mount.bytes === undefined ? {} : { bytes: mount.bytes }),
      inodes: mount.inodes,
      mode: 0o1777,
    };
  }
  const isWorkspace = workspace !== undefined && mount.target === workspace;
  const source =
    workspace !== undefined &&
    input.workspaceSource !== undefined &&
    isWithin(mount.source, workspace)
      ? `${input.workspaceSource}${mount.source.slice(workspace.length)}`
      : mount.source;
  if (mount.access === 'write') {
    const flags: readonly MountFlag[] = ['nosuid', 'nodev', 'idmap'];
    const layers = isWorkspace && template.workspace === 'overlay' ? layersOf(input) : mount.layers;
    if (layers !== undefined) {
      const { upper, work } = layers;
      return { kind: 'overlay', source, target: mount.target, upper, work, flags };
    }
    // Where there is nothing to pin, there is nothing that a mask could hide.
    const more: readonly MountFlag[] = mount.pin === true ? ['optional'] : [];
    return { kind: 'bind', source, target: mount.target, flags: [...flags, 'recursive', ...more] };
  }
  return {
    kind: 'bind',
    source,
    target: mount.target,
    flags: [
      'readonly',
      'nosuid',
      'nodev',
      'recursive',
      ...(template.idmap && mount.toolchain !== true ? (['idmap'] as const) : []),
    ],
  };
}

/**
 * A directory that leads to something protected is bound on itself first: a mount point cannot be renamed away
 * (EBUSY, rename(2)). In an overlay the changes pass through our hands, so nothing needs pinning there.
 */
function protectMounts(input: BindInput): readonly Mount[] {
  const { existing = [], pinned = [] } = input.protect ?? {};
  const pins = input.overlay === undefined ? pinned : [];
  const from = (path: string): string =>
    input.workspace !== undefined && input.workspaceSource !== undefined
      ? `${input.workspaceSource}${path.slice(input.workspace.length)}`
      : path;
  const mounts = [
    ...pins.map(
      (target): Mount => ({
        kind: 'bind',
        source: from(target),
        target,
        flags: ['nosuid', 'nodev', 'recursive', 'idmap'],
      }),
    ),
    ...existing.map((target): Mount => ({ kind: 'readonly', target })),
  ];
  return mounts.sort((a, b) => (a.target < b.target ? -1 : 1));
}

function rulesOf(template: JobTemplate, late: readonly Bound[]): readonly LandlockPathRule[] {
  if (template.landlockAbi === 0) return [];
  return landlockRules(
    template.landlockAbi,
    late.flatMap((mount): LandlockGrant[] => {
      if (mount.kind === 'mask' || mount.pin === true) return [];
      if (mount.kind === 'scratch') return [{ path: mount.target, access: 'write' }];
      const target = mount.file === true ? 'file' : 'directory';
      return [{ path: mount.target, access: mount.access, target }];
    }),
  );
}

function layersOf(input: BindInput): OverlayDirectories {
  if (input.overlay !== undefined) return input.overlay;
  throw invalid(
    'the workspace is an overlay and no directories for its changes were given',
    'open a sandbox, which keeps them',
  );
}

function checkWorkspace(template: JobTemplate, workspace: string | undefined): string | undefined {
  const needed = template.mounts.some(({ target }) => isWithin(target, WORKSPACE));
  if (workspace === undefined) {
    if (!needed) return undefined;
    throw invalid(
      'the policy speaks of a workspace and none was given',
      'name one as workspace (--workspace DIR)',
    );
  }
  const normal = workspace.startsWith('/') && !/\/(?:\.{0,2})(?:\/|$)/.test(workspace);
  if (!needed) return normal ? workspace : undefined;
  if (
    notWorkspaces.some((path) => path === workspace || (path !== '/' && isWithin(workspace, path)))
  ) {
    throw invalid(`${workspace} cannot be a workspace`, 'choose a directory of the work itself');
  }
  if (!normal) throw invalid(`${workspace} is not an absolute, normal path`, 'resolve it first');
  return workspace;
}

function requirePlace(template: JobTemplate, late: readonly Bound[], target: string): void {
  const above = late.some((mount) => mount.target !== target && isWithin(target, mount.target));
  if (above || template.places.some((place) => isWithin(target, place))) return;
  throw new CaissonError('PLAN_INVALID', {
    layer: 'plan',
    message: `the plan has no place for ${target}`,
    hint: 'compile it with this workspace and toolchain',
    details: { target, places: template.places },
  });
}

function checkWords(input: BindInput): void {
  const words = [
    ...input.argv,
    ...Object.entries(input.set ?? {}).flat(),
    ...(input.cwd === undefined ? [] : [input.cwd]),
    ...(input.workspace === undefined ? [] : [input.workspace]),
  ];
  if (words.some((word) => word.includes('\0'))) {
    throw invalid('an argument, variable or path holds a NUL byte', 'take it out');
  }
  if (Object.keys(input.set ?? {}).some((name) => name === '' || name.includes('='))) {
    throw invalid('the name of a variable is empty or holds =', 'write NAME=value');
  }
}

function invalid(message: string, hint: string): CaissonError {
  return new CaissonError('REQUEST_INVALID', { layer: 'plan', message, hint });
}
