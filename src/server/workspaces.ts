/** Directories that sandboxes of the service work on: private ones, which it makes and removes, and those of its operator. */
import { mkdir, readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { CaissonError } from '../core/error.ts';
import { newId } from '../core/ids.ts';
import { removeTree } from '../sandbox/remove-tree.ts';
import { openStateDirectory } from '../sandbox/state-directory.ts';

export interface Workspace {
  /** `private`, or the operator’s name of it. */
  readonly name: string;
  /** Of the host. */
  readonly path: string;
  /** Another one who uses it: it stays until all have released it. */
  share(): Workspace;
  /** Removes it where it is private, and nobody uses it any more. Idempotent. */
  release(): Promise<void>;
}

export class Workspaces {
  readonly #directory: string;
  readonly #offered: Readonly<Record<string, string>>;

  private constructor(directory: string, offered: Readonly<Record<string, string>>) {
    this.#directory = directory;
    this.#offered = offered;
  }

  /**
   * What an earlier service left of private ones goes: nothing that used them runs any more.
   *
   * @param offered by the operator: name to directory
   */
  static async open(state: string, offered: Readonly<Record<string, string>>): Promise<Workspaces> {
    const directory = openStateDirectory(join(openStateDirectory(state), 'workspaces'));
    for (const name of await readdir(directory)) await removeTree(directory, name);
    return new Workspaces(directory, offered);
  }

  /**
   * @param allowed names of the operator’s that this tenant may use
   * @throws REQUEST_INVALID
   */
  async take(name: string | undefined, allowed: readonly string[]): Promise<Workspace | undefined> {
    if (name === undefined) return undefined;
    if (name === 'private') {
      const path = join(this.#directory, newId('workspace'));
      await mkdir(path, { mode: 0o700 });
      return new PrivateUses(path).use();
    }
    const path = allowed.includes(name) ? this.#offered[name] : undefined;
    if (path !== undefined) return offered(name, path);
    throw new CaissonError('REQUEST_INVALID', {
      layer: 'server',
      message: `there is no workspace ${JSON.stringify(name)}`,
      hint:
        allowed.length === 0
          ? 'write private: an empty directory, which ends with the sandbox'
          : `write private, or one of ${allowed.join(', ')}`,
    });
  }
}

/** Who uses a private directory. */
class PrivateUses {
  readonly #path: string;
  #uses = 0;

  constructor(path: string) {
    this.#path = path;
  }

  use(): Workspace {
    this.#uses += 1;
    let isReleased = false;
    return {
      name: 'private',
      path: this.#path,
      share: () => this.use(),
      release: async () => {
        if (isReleased) return;
        isReleased = true;
        this.#uses -= 1;
        if (this.#uses === 0) await removeTree(dirname(this.#path), basename(this.#path));
      },
    };
  }
}

function offered(name: string, path: string): Workspace {
  return { name, path, share: () => offered(name, path), release: async () => {} };
}

/**
 * What a tenant might use when a sandbox was made, it may not any more.
 *
 * @param settings of the tenant, as they are now
 * @throws FORBIDDEN
 */
export function requireWorkspace(
  workspace: Workspace | undefined,
  tenant: string,
  { workspaces = [] }: { readonly workspaces?: readonly string[] | undefined },
): void {
  if (workspace === undefined || workspace.name === 'private') return;
  if (workspaces.includes(workspace.name)) return;
  throw new CaissonError('FORBIDDEN', {
    layer: 'server',
    message: `the workspace ${workspace.name} is no longer one of the tenant ${tenant}’s`,
    hint: 'the operator lists workspaces under the tenant',
  });
}
