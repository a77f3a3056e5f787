/**
 * What an apply makes beside the file that it is to be: by which name, and where. It is written down before it is made, so that
 * whoever applies or discards after one that was killed removes from the workspace what that left: one at most.
 */
import { randomBytes } from 'node:crypto';
import { closeSync, openSync, readFileSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { Below } from './below.ts';
import { isErrno, isOther } from './beneath.ts';
import { inProgress } from './in-progress.ts';
import type { OverlayLayer } from './overlay.ts';
import { abandoned } from './work-in-progress.ts';

const MARK = '.caisson-';

export class Asides implements Disposable {
  readonly name = `${MARK}${randomBytes(8).toString('hex')}`;
  readonly #path: string;
  readonly #fd: number;
  #last: string | undefined;

  private constructor(directory: string) {
    this.#path = join(directory, inProgress(this.name));
    this.#fd = openSync(this.#path, 'wx', 0o600);
  }

  /** @param directory of the overlay */
  static open(directory: string): Asides {
    return new Asides(directory);
  }

  /** From now on it is made there. @param parent relative to the layer */
  moveTo({ prefix }: OverlayLayer, parent: string): void {
    const line = `${JSON.stringify([prefix, parent])}\n`;
    if (line === this.#last) return;
    writeSync(this.#fd, line);
    this.#last = line;
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
    unlinkSync(this.#path);
  }
}

/** Of applies whose process is gone. @param directory of the overlay, which need not be there any more */
export function removeLeftAsides(directory: string, layers: readonly OverlayLayer[]): void {
  try {
    for (const name of abandoned(directory)) {
      const mark = name.lastIndexOf(MARK);
      if (mark >= 0) removeLeft(join(directory, name), name.slice(mark), layers);
    }
  } catch (error) {
    // Somebody else removes them at the same time, or has discarded the changes.
    if (!isErrno(error, 'ENOENT')) throw error;
  }
}

function removeLeft(note: string, aside: string, layers: readonly OverlayLayer[]): void {
  const [prefix, parent] = lastPlace(readFileSync(note, 'utf8')) ?? [];
  const layer = layers.find((each) => each.prefix === prefix);
  if (layer !== undefined && parent !== undefined) {
    removeAside(layer, parent === '' ? aside : `${parent}/${aside}`);
  }
  unlinkSync(note);
}

/** A file, a link, or a directory that is empty still. */
function removeAside({ lower }: OverlayLayer, aside: string): void {
  try {
    using below = Below.open(lower);
    const left = below.stat(aside);
    if (typeof left === 'object') below.remove(aside, left.isDirectory());
  } catch (error) {
    // It was renamed, or somebody has put something else there.
    if (!isOther(error) && !isErrno(error, 'ENOTEMPTY')) throw error;
  }
}

/** The last line that is whole: what it was killed in the middle of writing it had not made yet. */
function lastPlace(text: string): [prefix: string, parent: string] | undefined {
  const line = text.split('\n').at(-2);
  return line === undefined ? undefined : JSON.parse(line);
}
