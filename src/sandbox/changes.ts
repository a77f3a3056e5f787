/**
 * What a run changed in an overlaid workspace: looked at, applied or discarded.
 *
 * The upper layer was written by the guest: nothing here follows a link of it, and nothing is written through a link of
 * the workspace (beneath.ts). An apply is checked whole before its first write.
 */
import { CaissonError } from '../core/error.ts';
import { MOST_ENTRIES } from '../launcher/layer.ts';
import { ofLayer } from './apply-changes.ts';
import { parentOf } from './below.ts';
import { Beneath, isErrno, isOther } from './beneath.ts';
import { runChanges } from './changes-thread.ts';
import type { ChangesTask } from './changes-work.ts';
import { textOf } from './file-content.ts';
import { checkOptions } from './known-options.ts';
import type { Change } from './layer-changes.ts';
import { APPLY, CHANGES } from './option-kinds.ts';
import type { Overlay } from './overlay.ts';
import { unifiedDiff } from './text-diff.ts';

export type { Change } from './layer-changes.ts';

export interface ApplyOptions {
  /** Leave protected paths out instead of refusing the whole; default false. */
  readonly skipProtected?: boolean;
  /** Apply only these paths and what lies below them; default all. */
  readonly only?: readonly string[];
  /** As {@link ChangesOptions.most}. */
  readonly most?: number;
}

export interface ChangesOptions {
  /** More entries than that are refused (TOO_LARGE); default a million. */
  readonly most?: number;
}

export interface Applied {
  readonly applied: readonly Change[];
  /** Protected, not named by `write` of a staged workspace, or of a type that is never brought out (sockets, FIFOs, devices). */
  readonly skipped: readonly Change[];
}

/** While changes are applied. */
export interface ApplyProgress {
  /** Now and then, with how many are applied of how many. */
  readonly onProgress?: (done: number, total: number) => void;
  /** Ends it between two files: ABORTED. What is applied by then stays; the rest is pending. */
  readonly signal?: AbortSignal;
}

export interface ChangesPage {
  /** In the order of their paths, the workspace's before those of the repository behind a worktree. */
  readonly entries: readonly Change[];
  /** Whether there are later ones. */
  readonly more: boolean;
}

export class Changes {
  readonly #overlay: Overlay;
  readonly #launcher: string;
  readonly #options: ChangesOptions;
  readonly entries: readonly Change[];

  private constructor(
    overlay: Overlay,
    launcher: string,
    options: ChangesOptions,
    entries: readonly Change[],
  ) {
    this.#overlay = overlay;
    this.#launcher = launcher;
    this.#options = options;
    this.entries = entries;
  }

  /**
   * @param launcher path of the launcher's program
   * @throws TOO_LARGE: more entries than `most`, or a path of more than 4096 bytes
   */
  static async read(
    overlay: Overlay,
    launcher: string,
    options: ChangesOptions = {},
  ): Promise<Changes> {
    const entries: Change[] = [];
    const { most = MOST_ENTRIES } = options;
    const task = { kind: 'list', ...about(overlay, launcher), most } as const;
    for await (const part of runChanges(task)) for (const each of part.changes) entries.push(each);
    return new Changes(overlay, launcher, options, entries);
  }

  /**
   * Some of them, read from where they begin: it takes no longer where there are many before or behind.
   *
   * @param options `after`: the last path of the page before, which need not be there any more
   */
  static async page(
    overlay: Overlay,
    launcher: string,
    { after, limit }: { readonly after?: string | undefined; readonly limit: number },
  ): Promise<ChangesPage> {
    const entries: Change[] = [];
    const from = after === undefined ? {} : { after };
    const task = { kind: 'list', ...about(overlay, launcher), ...from, limit: limit + 1 } as const;
    for await (const part of runChanges(task)) entries.push(...part.changes);
    return { entries: entries.slice(0, limit), more: entries.length > limit };
  }

  /** Names the overlay: `caisson apply ID`. */
  get id(): string {
    return this.#overlay.id;
  }

  get isEmpty(): boolean {
    return this.entries.length === 0;
  }

  /**
   * A unified diff of what is text; a line for everything else.
   *
   * @param options `most`: it ends with the change that goes beyond so many characters, and says so; default none
   */
  async diff(options: { readonly most?: number } = {}): Promise<string> {
    checkOptions(options, 'diff', CHANGES);
    const { most = Number.POSITIVE_INFINITY } = options;
    let out = '';
    let shown = 0;
    for await (const part of this.diffParts()) {
      if (out.length > most) {
        return `${out}… and ${this.entries.length - shown} other changes, which are not shown\n`;
      }
      shown++;
      out += part;
    }
    return out;
  }

  /** The same, one change at a time: a guest can make it as long as it likes. */
  async *diffParts(): AsyncGenerator<string> {
    for (const layer of this.#overlay.layers) {
      await using upper = new Texts(await Beneath.open(layer.upper).catch(gone));
      await using lower = new Texts(await Beneath.open(layer.lower));
      for (const change of ofLayer(layer, this.entries)) {
        yield await diffOf(change, `${layer.prefix}${change.path}`, upper, lower);
      }
    }
  }

  /**
   * Brings the changes into the workspace. Owners become the workspace's, modes are kept without set-user-id bits.
   * Of a staged workspace what `write` names comes out, and nothing else, whoever applies. The changes stay pending until {@link discard}; applying twice does nothing the second time.
   *
   * @throws CHANGES_CONFLICT when something below was changed since the run began, or the policy protects it;
   * `details.conflicts`, `details.protected`. Nothing has been written then.
   */
  async apply(options: ApplyOptions = {}, progress: ApplyProgress = {}): Promise<Applied> {
    const { most } = this.#options;
    const bounded = most === undefined ? options : { most, ...options };
    return await applyOverlay(this.#overlay, this.#launcher, bounded, progress);
  }

  /** Forgets the changes; the workspace stays as it is. */
  async discard(): Promise<void> {
    await this.#overlay.discard();
  }
}

/** As {@link Changes.apply}, of whatever the changes are now. @param launcher path of the launcher's program */
export async function applyOverlay(
  overlay: Overlay,
  launcher: string,
  options: ApplyOptions,
  progress: ApplyProgress = {},
): Promise<Applied> {
  checkOptions(options, 'apply', APPLY);
  const { sinceNs, applied: written } = overlay.record;
  const { only, skipProtected, most = MOST_ENTRIES } = options;
  const task: ChangesTask = {
    kind: 'apply',
    ...about(overlay, launcher),
    most,
    directory: overlay.directory,
    record: { sinceNs, applied: written },
    options: {
      ...(only === undefined ? {} : { only }),
      ...(skipProtected === undefined ? {} : { skipProtected }),
    },
  };
  const applied: Change[] = [];
  const skipped: Change[] = [];
  for await (const { list, changes } of runChanges(task, progress)) {
    const into = list === 'skipped' ? skipped : applied;
    for (const each of changes) into.push(each);
  }
  return { applied, skipped };
}

function about(overlay: Overlay, launcher: string) {
  return { layers: overlay.layers, launcher };
}

/** What changes once more while it is read is told in one line. */
async function diffOf(
  { path, kind, type }: Change,
  name: string,
  upper: Texts,
  lower: Texts,
): Promise<string> {
  const line = `${kind} ${type} ${JSON.stringify(name)}`;
  if (type !== 'file') return `${line}\n`;
  try {
    const before = kind === 'added' ? '' : await lower.of(path);
    const after = kind === 'deleted' ? '' : await upper.of(path);
    return unifiedDiff(name, before, after, kind);
  } catch (error) {
    if (isOther(error)) return `${line}, and something else now\n`;
    throw error;
  }
}

/** Discarded since they were read. */
function gone(error: unknown): never {
  if (!isErrno(error, 'ENOENT')) throw error;
  throw new CaissonError('SANDBOX_CLOSED', {
    layer: 'sandbox',
    message: 'the changes were discarded while they were read',
    cause: error,
  });
}

/** Of a tree; the directory asked for last stays open for the next. */
class Texts {
  readonly #root: Beneath;
  #last: { readonly path: string; readonly directory: Beneath } | undefined;

  constructor(root: Beneath) {
    this.#root = root;
  }

  async of(path: string): Promise<string | undefined> {
    const parent = parentOf(path);
    if (this.#last?.path !== parent) {
      const directory = await this.#root.parentOf(path);
      await this.#last?.directory.close();
      this.#last = { path: parent, directory };
    }
    return await textOf(this.#last.directory, path.slice(path.lastIndexOf('/') + 1));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#last?.directory.close();
    await this.#root.close();
  }
}
