/**
 * Keeps the head and the tail of a stream within a bound, and counts the rest.
 */
import type { CapturedOutput } from '../core/outcome.ts';
import { KeptOutput } from './outcome.ts';

export class OutputCapture {
  readonly #headMax: number;
  readonly #tailMax: number;
  readonly #head: Buffer[] = [];
  #headBytes = 0;
  #tail: Buffer[] = [];
  #tailBytes = 0;
  #total = 0;

  constructor(limitBytes: number) {
    this.#headMax = Math.ceil(limitBytes / 2);
    this.#tailMax = limitBytes - this.#headMax;
  }

  add(chunk: Buffer): void {
    if (chunk.length === 0) return;
    this.#total += chunk.length;
    const toHead = Math.min(chunk.length, this.#headMax - this.#headBytes);
    if (toHead > 0) {
      this.#head.push(chunk.subarray(0, toHead));
      this.#headBytes += toHead;
    }
    if (toHead === chunk.length) return;
    this.#tail.push(chunk.subarray(toHead));
    this.#tailBytes += chunk.length - toHead;
    // Twice the room, so that it is not cut at every chunk.
    if (this.#tailBytes > 2 * this.#tailMax + 65_536) this.#cutTail();
  }

  finish(): CapturedOutput {
    this.#cutTail();
    return new KeptOutput({
      bytes: Buffer.concat([...this.#head, ...this.#tail]),
      totalBytes: this.#total,
      headBytes: this.#headBytes,
    });
  }

  #cutTail(): void {
    if (this.#tailBytes <= this.#tailMax) return;
    const all = Buffer.concat(this.#tail);
    const kept = this.#tailMax === 0 ? Buffer.alloc(0) : Buffer.from(all.subarray(-this.#tailMax));
    this.#tail = [kept];
    this.#tailBytes = kept.length;
  }
}
