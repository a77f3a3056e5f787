/**
 * What a run changed in an overlaid workspace: looked at, applied or discarded.
 *
 * The upper layer was written by the guest: nothing here follows a link of it, and nothing is written through a link of
 * the workspace (below.ts). An apply is checked whole before its first write.
 */
import { MOST_ENTRIES } from '../launcher/layer.ts';
import { checkOptions } from '../policy/known-options.ts';
import { runChanges, runDiff } from './changes-thread.ts';
import type { Change } from './layer-changes.ts';
import { APPLY, CHANGES } from './option-kinds.ts';
import type { Overlay } from './overlay.ts';

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

export interface DiffOptions {
  /** It ends with the change that goes beyond so many characters, and says so; default none. */
  readonly most?: number;
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
   * @throws SANDBOX_CLOSED where they were discarded meanwhile
   */
  async diff(options: DiffOptions = {}): Promise<string> {
    let out = '';
    for await (const part of this.diffParts(options)) out += part;
    return out;
  }

  /** The same, some changes at a time, each when the last was taken: a guest can make it as long as it likes. */
  async *diffParts(options: DiffOptions = {}): AsyncGenerator<string, void> {
    checkOptions(options, 'diff', CHANGES);
    const { most = Number.POSITIVE_INFINITY } = options;
    const { layers } = this.#overlay;
    let shown = 0;
    let characters = 0;
    for await (const texts of runDiff({ layers, changes: this.entries, most })) {
      const part = texts.join('');
      shown += texts.length;
      characters += part.length;
      yield part;
    }
    const left = this.entries.length - shown;
    if (characters > most && left > 0) yield `… and ${left} other changes, which are not shown\n`;
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
  const task = {
    kind: 'apply',
    ...about(overlay, launcher),
    most,
    directory: overlay.directory,
    record: { sinceNs, applied: written },
    options: {
      ...(only === undefined ? {} : { only }),
      ...(skipProtected === undefined ? {} : { skipProtected }),
    },
  } as const;
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
