/**
 * What of the host a run needs beside its policy: workspace, named paths, the toolchain of its command. Looked at anew
 * for each run where it can change, and turned into the key of the plan that fits.
 */
import { realpathSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { resolve } from 'node:path';
import { CaissonError } from '../core/error.ts';
import { lookAtNamedPaths, namesPaths } from '../host/named-paths.ts';
import { resolveToolchain, type Toolchain } from '../host/toolchain.ts';
import type { CompileOptions } from '../plan/compile.ts';
import { containsPath } from '../policy/path-set.ts';
import type { Policy } from '../policy/policy.ts';
import type { EnvironmentSource } from './caller-environment.ts';
import { type Worktree, worktreeOf } from './worktree.ts';

/** A toolchain is looked up again after that long: one that is installed meanwhile shows within a second. */
const TOOLCHAIN_MS = 1000;
const TOOLCHAINS_MAX = 256;

export interface Place {
  /** Absolute, without links. */
  readonly workspace: string | undefined;
  /** Absent where the command needs none. */
  readonly toolchain: Toolchain | undefined;
  /** Where the workspace is a git worktree whose repository lies elsewhere. */
  readonly worktree: Worktree | undefined;
  readonly compile: Pick<CompileOptions, 'workspace' | 'late' | 'named' | 'repository'>;
  /** Equal where the same plan fits. */
  readonly key: string;
}

export class PlaceFinder {
  readonly #environment: EnvironmentSource;
  readonly #toolchains = new Map<
    string,
    { readonly toolchain: Toolchain; readonly until: number }
  >();
  /** Whether a policy names host paths beside its workspace. */
  readonly #naming = new WeakMap<Policy, boolean>();

  constructor(environment: EnvironmentSource) {
    this.#environment = environment;
  }

  /**
   * @param command `argv[0]`; absent: nothing but what the system directories hold
   * @throws PATH_MISSING, PATH_ESCAPES
   */
  find(policy: Policy, workspace: string | undefined, command: string | undefined): Place {
    const found = command === undefined ? undefined : this.#toolchain(command, workspace);
    const toolchain = found === undefined ? undefined : whatIsMissing(found, policy);
    const named = this.#names(policy) ? lookAtNamedPaths(policy, workspace) : [];
    const worktree = workspace === undefined ? undefined : worktreeOf(policy, workspace);
    const late = toolchain?.binds.map((bind) => bind.target) ?? [];
    if (worktree !== undefined) late.push(worktree.repository);
    // Of the workspace only its top-level directory shapes a plan, so runs on any number of workspaces share one.
    let key = workspace?.split('/', 2)[1] ?? '';
    if (toolchain !== undefined) key += `\0${JSON.stringify(toolchain)}`;
    if (named.length > 0) key += `\0${JSON.stringify(named)}`;
    if (worktree !== undefined) key += `\0${JSON.stringify(worktree)}`;
    return {
      workspace,
      toolchain:
        found !== undefined && (toolchain !== undefined || found.command !== command)
          ? found
          : undefined,
      worktree,
      compile: {
        ...(workspace === undefined ? {} : { workspace }),
        ...(late.length === 0 ? {} : { late }),
        ...(named.length === 0 ? {} : { named }),
        ...(worktree === undefined
          ? {}
          : { repository: { path: worktree.repository, access: worktree.access } }),
      },
      key,
    };
  }

  #toolchain(command: string, workspace: string | undefined): Toolchain {
    const env = this.#environment;
    const key = `${command}\0${workspace ?? ''}\0${env.PATH ?? ''}\0${env.VIRTUAL_ENV ?? ''}`;
    const known = this.#toolchains.get(key);
    const now = performance.now();
    if (known !== undefined && now < known.until) return known.toolchain;
    const toolchain = resolveToolchain(command, {
      cwd: workspace ?? '/',
      home: homedir(),
      env,
      ...(workspace === undefined ? {} : { workspace }),
    });
    if (this.#toolchains.size >= TOOLCHAINS_MAX) this.#toolchains.clear();
    this.#toolchains.set(key, { toolchain, until: now + TOOLCHAIN_MS });
    return toolchain;
  }

  #names(policy: Policy): boolean {
    let names = this.#naming.get(policy);
    if (names === undefined) {
      names = namesPaths(policy);
      this.#naming.set(policy, names);
    }
    return names;
  }
}

/** What the policy does not show anyway; undefined where that is everything. A command with a slash needs no PATH. */
function whatIsMissing(found: Toolchain, policy: Policy): Toolchain | undefined {
  const binds = found.binds.filter(({ target }) => !containsPath(policy.read, target));
  const path = binds.length === 0 && found.command.includes('/') ? [] : found.path;
  if (binds.length === 0 && path.length === 0 && found.env.length === 0) return undefined;
  return { ...found, binds, path };
}

/** Absolute and without links, resolved at each run: a link may lead elsewhere by now. @throws PATH_MISSING */
export function workspaceOf(workspace: string | undefined): string | undefined {
  if (workspace === undefined) return undefined;
  // Before resolve(), for which `a\0/..` is nothing at all.
  if (workspace.includes('\0')) throw missingWorkspace(workspace, 'holds a NUL byte');
  let path: string;
  try {
    path = realpathSync.native(resolve(workspace));
    if (statSync(path).isDirectory()) return path;
  } catch (cause) {
    throw missingWorkspace(workspace, 'does not exist', cause);
  }
  throw missingWorkspace(workspace, 'is not a directory');
}

function missingWorkspace(workspace: string, why: string, cause?: unknown): CaissonError {
  return new CaissonError('PATH_MISSING', {
    layer: 'sandbox',
    message: `the workspace ${JSON.stringify(workspace)} ${why}`,
    hint: 'create it, or name another workspace (--workspace DIR)',
    cause,
  });
}
