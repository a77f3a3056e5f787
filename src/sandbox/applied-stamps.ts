/**
 * Which files of a workspace apply has written, and when: a later apply of the same changes is not to take them for somebody
 * else's. A stamp has one length, however long a path the guest chose, and only files of the same inode and time have it.
 */
import { appendFileSync, type BigIntStats, copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isErrno } from './beneath.ts';

const FILE = 'applied';
/** Written together: whoever is killed before has applied files that are as the guest left them, and are not changes any more. */
const TOGETHER = 1000;

export class AppliedStamps {
  readonly #path: string;
  readonly #all: Set<string>;
  #unwritten: string[] = [];

  private constructor(path: string, all: Set<string>) {
    this.#path = path;
    this.#all = all;
  }

  /** @param directory of the overlay */
  static open(directory: string): AppliedStamps {
    const path = join(directory, FILE);
    try {
      return new AppliedStamps(path, new Set(readFileSync(path, 'latin1').split('\n')));
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) throw error;
      return new AppliedStamps(path, new Set());
    }
  }

  has(stat: BigIntStats): boolean {
    return this.#all.has(stampOf(stat));
  }

  note(stat: BigIntStats): void {
    const stamp = stampOf(stat);
    this.#all.add(stamp);
    if (this.#unwritten.push(stamp) >= TOGETHER) this.write();
  }

  write(): void {
    if (this.#unwritten.length === 0) return;
    const lines = `${this.#unwritten.join('\n')}\n`;
    this.#unwritten = [];
    appendFileSync(this.#path, lines, { mode: 0o600 });
  }
}

/** @param from the directory of an overlay */
export function copyApplied(from: string, to: string): void {
  try {
    copyFileSync(join(from, FILE), join(to, FILE));
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
  }
}

/** A directory by when it was made: its other times change with whatever is put into it. */
function stampOf(stat: BigIntStats): string {
  const { dev, ino, ctimeNs, birthtimeNs } = stat;
  return `${dev} ${ino} ${stat.isDirectory() ? birthtimeNs : ctimeNs}`;
}
