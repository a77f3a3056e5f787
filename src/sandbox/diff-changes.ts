/** A unified diff of what is text, and a line for everything else. The upper layer was written by the guest: no link is followed. */
import { closeSync, existsSync } from 'node:fs';
import { CaissonError } from '../core/error.ts';
import { Below } from './below.ts';
import { isErrno, isOther } from './beneath.ts';
import type { Budget } from './budget.ts';
import { textOf } from './file-content.ts';
import { type Change, ofLayer } from './layer-changes.ts';
import type { OverlayLayer } from './overlay.ts';
import { unifiedDiff } from './text-diff.ts';

/** Plain data: it is also sent to a thread. */
export interface DiffSetup {
  readonly layers: readonly OverlayLayer[];
  /** In the order in which they were listed. */
  readonly changes: readonly Pick<Change, 'path' | 'kind' | 'type'>[];
  /** It ends with the change that goes beyond so many characters. */
  readonly most: number;
  /** It ends with the change after which so long has passed; default never. */
  readonly forMs?: number;
}

/**
 * @returns a text for each of the changes, or for the first of them where it ends early: for one at least
 * @throws SANDBOX_CLOSED; BeyondBudget
 */
export function diffChanges(
  { layers, changes, most, forMs = Number.POSITIVE_INFINITY }: DiffSetup,
  budget: Budget,
): string[] {
  for (const { path, kind } of changes) budget.file(path, kind === 'modified' ? 2 : 1);
  const until = performance.now() + forMs;
  const texts: string[] = [];
  let characters = 0;
  for (const layer of layers) {
    using upper = openUpper(layer);
    using lower = Below.open(layer.lower);
    for (const change of ofLayer(layer, changes)) {
      const text = diffOf(change, layer, { upper, lower, budget });
      texts.push(text);
      characters += text.length;
      if (characters > most || performance.now() > until) return texts;
    }
  }
  return texts;
}

interface Sides {
  readonly upper: Below;
  readonly lower: Below;
  readonly budget: Budget;
}

/** What changes once more while it is read is told in one line. */
function diffOf(
  { path, kind, type }: DiffSetup['changes'][number],
  layer: OverlayLayer,
  { upper, lower, budget }: Sides,
): string {
  const name = `${layer.prefix}${path}`;
  const line = `${kind} ${type} ${JSON.stringify(name)}`;
  if (type !== 'file') return `${line}\n`;
  try {
    const before = kind === 'added' ? '' : textIn(lower, path, budget);
    const after = kind === 'deleted' ? '' : textIn(upper, path, budget);
    return unifiedDiff(name, before, after, kind, budget);
  } catch (error) {
    // Of the workspace: what its owner has closed to himself.
    if (isErrno(error, 'EACCES')) return `${line}, which this user may not read\n`;
    if (!isOther(error)) throw error;
    if (!existsSync(layer.upper)) throw discarded(error);
    return `${line}, and something else now\n`;
  }
}

function textIn(tree: Below, path: string, budget: Budget): string | undefined {
  const file = tree.read(path);
  try {
    return textOf(file, budget);
  } finally {
    closeSync(file.fd);
  }
}

function openUpper({ upper }: OverlayLayer): Below {
  try {
    return Below.open(upper, { isLayer: true });
  } catch (error) {
    throw isErrno(error, 'ENOENT') ? discarded(error) : error;
  }
}

function discarded(cause: unknown): CaissonError {
  return new CaissonError('SANDBOX_CLOSED', {
    layer: 'sandbox',
    message: 'the changes were discarded while they were read',
    cause,
  });
}
