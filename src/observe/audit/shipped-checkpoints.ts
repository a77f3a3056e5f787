/** Checkpoints as they lie in a second place: a line of JSON for each, a file for each log. */

import type { KeyObject } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { CaissonError } from '../../core/error.ts';
import { safeParse } from '../../core/safe-parse.ts';
import { type Checkpoint, checkpointSchema, isGenuine } from './checkpoint.ts';
import type { Finding } from './finding.ts';

const EXTENSION = '.checkpoints.jsonl';

/** The file, in a directory of shipped checkpoints, of one log. */
export function shippedFileName(log: string): string {
  return `${log}${EXTENSION}`;
}

export interface Shipped {
  readonly checkpoints: readonly Checkpoint[];
  /** Lines that are no genuine checkpoint. */
  readonly findings: readonly Finding[];
}

/**
 * The genuine checkpoints of one log. What was shipped twice counts once: shipping is at least once.
 *
 * @param path a file, or a directory of them
 * @throws PATH_MISSING
 */
export function readShipped(path: string, log: string, key: KeyObject): Shipped {
  const checkpoints = new Map<number, Checkpoint>();
  const findings: Finding[] = [];
  for (const file of filesOf(path)) {
    const lines = readFileSync(file, 'utf8').split('\n');
    // Without a newline at its end, the last line is still being written.
    lines.pop();
    for (const [index, line] of lines.entries()) {
      const checkpoint = parse(line);
      // A delivery that broke off was made again.
      if (checkpoint === 'torn') continue;
      if (checkpoint !== undefined && checkpoint.log !== log) continue;
      const before = checkpoint && checkpoints.get(checkpoint.size);
      const good = checkpoint !== undefined && isGenuine(checkpoint, key);
      if (good && (before === undefined || before.root === checkpoint.root)) {
        checkpoints.set(checkpoint.size, checkpoint);
        continue;
      }
      const message = good
        ? `two checkpoints of ${checkpoint.size} records were signed for this log: it was forked`
        : 'a shipped checkpoint is not genuine';
      const seq = checkpoint?.size ?? 0;
      findings.push({ what: 'checkpoint', seq, file, line: index + 1, message });
    }
  }
  return { checkpoints: [...checkpoints.values()].sort((a, b) => a.size - b.size), findings };
}

function filesOf(path: string): string[] {
  const kind = statSync(path, { throwIfNoEntry: false });
  if (kind === undefined) {
    throw new CaissonError('PATH_MISSING', {
      layer: 'observe',
      message: `there are no checkpoints at ${path}`,
    });
  }
  if (!kind.isDirectory()) return [path];
  const names = readdirSync(path).filter((name) => name.endsWith(EXTENSION));
  return names.sort().map((name) => join(path, name));
}

function parse(line: string): Checkpoint | 'torn' | undefined {
  try {
    return safeParse(checkpointSchema, JSON.parse(line)).data;
  } catch {
    return 'torn';
  }
}
