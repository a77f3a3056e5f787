/**
 * A Merkle tree that only grows, of which no more is kept than its peaks: RFC 6962, 2.1, over the records of a log.
 * A leaf is a record's own hash. What that is the hash of begins with a hexadecimal digit, what an inner node is the
 * hash of begins with the byte 1: no input is both, which is what RFC 6962 prefixes leaves with 0 for.
 */
import { hash } from 'node:crypto';

const NODE = 1;
const WIDTH = 32;

export class MerkleTree {
  /** By level: 1, left child, right child. The left one is a peak while the right one is missing. */
  readonly #nodes: Buffer[] = [];
  #size = 0;

  /** @param peaks from the largest to the smallest, in hexadecimal, one for each bit of `size` */
  constructor(size = 0, peaks: readonly string[] = []) {
    let next = peaks.length;
    for (let level = 0, rest = size; rest > 0; level++, rest = Math.floor(rest / 2)) {
      const node = this.#node(level);
      if (rest % 2 === 0) continue;
      const peak = peaks[--next];
      if (peak === undefined || node.write(peak, 1, WIDTH, 'hex') !== WIDTH) next = -1;
      if (next < 0) break;
    }
    if (next !== 0) throw new RangeError(`${peaks.length} peaks are none of a tree of ${size}`);
    this.#size = size;
  }

  get size(): number {
    return this.#size;
  }

  append(leaf: string): void {
    let carried = leaf;
    let level = 0;
    for (let rest = this.#size; rest % 2 === 1; rest = (rest - 1) / 2, level++) {
      const node = this.#node(level);
      node.write(carried, 1 + WIDTH, WIDTH, 'hex');
      carried = hash('sha256', node, 'hex');
    }
    this.#node(level).write(carried, 1, WIDTH, 'hex');
    this.#size++;
  }

  peaks(): string[] {
    const peaks: string[] = [];
    for (let level = 0, rest = this.#size; rest > 0; level++, rest = Math.floor(rest / 2)) {
      if (rest % 2 === 1) peaks.unshift(this.#node(level).toString('hex', 1, 1 + WIDTH));
    }
    return peaks;
  }

  root(): string {
    return rootOf(this.peaks());
  }

  #node(level: number): Buffer {
    const known = this.#nodes[level];
    if (known !== undefined) return known;
    const made = Buffer.alloc(1 + 2 * WIDTH);
    made[0] = NODE;
    this.#nodes[level] = made;
    return made;
  }
}

function rootOf(peaks: readonly string[]): string {
  if (peaks.length === 0) return hash('sha256', '', 'hex');
  return peaks.reduceRight((right, left) =>
    hash('sha256', Buffer.from(`01${left}${right}`, 'hex'), 'hex'),
  );
}
