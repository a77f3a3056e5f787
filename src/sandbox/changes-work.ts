/** What is done with the changes of an overlay, on whatever thread; changes-thread.ts says on which. */
import { CaissonError } from '../core/error.ts';
import { tooMany } from '../launcher/layer.ts';
import { type ApplySetup, applyChanges } from './apply-changes.ts';
import type { Budget } from './budget.ts';
import { type DiffSetup, diffChanges } from './diff-changes.ts';
import { type Change, layerChanges } from './layer-changes.ts';
import type { OverlayLayer } from './overlay.ts';

interface ListTask {
  readonly layers: readonly OverlayLayer[];
  readonly launcher: string;
  /** More entries than that are refused. */
  readonly most?: number;
}

/** Plain data: it is also sent to a thread. */
export type ChangesTask =
  | (ListTask & { readonly kind: 'list'; readonly after?: string; readonly limit?: number })
  | (ListTask & ApplySetup & { readonly kind: 'apply' })
  | DiffTask;

export type DiffTask = DiffSetup & { readonly kind: 'diff' };

interface ListPart {
  readonly list: 'changes' | 'applied' | 'skipped';
  readonly changes: readonly Change[];
}

interface DiffPart {
  /** Of each change one. */
  readonly texts: readonly string[];
}

export type ChangesPart<T extends ChangesTask = ChangesTask> = T extends DiffTask
  ? DiffPart
  : ListPart;

export interface WorkWatch {
  readonly onProgress?: (done: number, total: number) => void;
  readonly isStopped: () => boolean;
}

/** Handed on together, and copied from thread to thread in about a millisecond. */
const BATCH = 256;
const PROGRESS_MS = 200;

/** @throws TOO_LARGE, CHANGES_CONFLICT, ABORTED, SANDBOX_CLOSED; BeyondBudget before anything is written */
export async function* workOnChanges(
  task: ChangesTask,
  budget: Budget,
  watch: WorkWatch,
): AsyncGenerator<ChangesPart, void> {
  if (task.kind === 'diff') {
    yield { texts: diffChanges(task, budget) };
    return;
  }
  if (task.kind === 'list') {
    for await (const changes of listed(task, budget, watch)) yield { list: 'changes', changes };
    return;
  }
  const entries: Change[] = [];
  for await (const batch of listed(task, budget, watch))
    for (const each of batch) entries.push(each);
  let told = performance.now();
  const { applied, skipped } = await applyChanges(task, entries, budget, {
    onApplied: (done, total) => {
      if (watch.isStopped() && done < total) throw stopped(done, total);
      if (performance.now() - told < PROGRESS_MS) return;
      told = performance.now();
      watch.onProgress?.(done, total);
    },
  });
  yield* inBatches('applied', applied);
  yield* inBatches('skipped', skipped);
}

async function* listed(
  {
    layers,
    launcher,
    most = Number.POSITIVE_INFINITY,
    ...page
  }: ListTask & { after?: string; limit?: number },
  budget: Budget,
  { isStopped }: WorkWatch,
): AsyncGenerator<Change[], void> {
  const { after = '', limit = Number.POSITIVE_INFINITY } = page;
  let read = 0;
  let left = limit;
  const onEntries = (count: number): void => {
    read += count;
    if (read > most) throw tooMany(most);
  };
  let all = 0;
  for (const layer of layers) {
    const { prefix } = layer;
    if (prefix === '' && after.startsWith('/')) continue;
    const within =
      prefix === '' ? after : after.startsWith(prefix) ? after.slice(prefix.length) : '';
    for await (const found of layerChanges(layer, { launcher, budget, after: within, onEntries })) {
      if (isStopped()) throw stopped(0, 0);
      all += found.length;
      if (all > most) throw tooMany(most);
      const taken = found.slice(0, left);
      left -= taken.length;
      yield prefix === ''
        ? taken
        : taken.map((each) => ({ ...each, path: `${prefix}${each.path}` }));
      if (left === 0) return;
    }
  }
}

function* inBatches(list: ListPart['list'], changes: readonly Change[]): Generator<ListPart, void> {
  for (let at = 0; at < changes.length; at += BATCH) {
    yield { list, changes: changes.slice(at, at + BATCH) };
  }
}

function stopped(done: number, total: number): CaissonError {
  return new CaissonError('ABORTED', {
    layer: 'sandbox',
    ...(done === 0
      ? { message: 'it was ended before anything was applied' }
      : {
          message: `it was ended when ${done} of ${total} changes were applied; the rest is pending`,
        }),
    hint: 'apply again to go on; what is applied already is not changed again',
    details: { applied: done, total },
  });
}
