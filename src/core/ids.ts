/**
 * Names for what must be told apart: runs, sandboxes, overlays.
 */

/** `run_0192…`: sorts by time of making, cannot be guessed. */
export function newId(prefix: 'run' | 'sandbox' | 'overlay' | 'workspace' | 'shell'): string {
  if (used === random.length) {
    crypto.getRandomValues(random);
    used = 0;
  }
  let text = Date.now().toString(16).padStart(12, '0');
  for (const end = used + RANDOM_BYTES; used < end; used++) text += HEX[random[used] as number];
  return `${prefix}_${text}`;
}

const RANDOM_BYTES = 10;
const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));
/** Made ahead for many: asking for each by itself is most of what a name costs. */
const random = new Uint8Array(128 * RANDOM_BYTES);
let used = random.length;

const shape = /^(?:run|sandbox|overlay)_[0-9a-f]{32}$/;

/** Whether a text is such a name: safe as a file name. */
export function isId(text: string): boolean {
  return shape.test(text);
}

/**
 * UUIDs of version 7 (RFC 9562): they sort by time of making, also where the wall clock is set back, since a source
 * never goes back behind what it has given out (method 1: a counter of 12 bits, seeded at random).
 */
export class UuidSource {
  readonly #wallMs: () => number;
  #lastMs = 0;
  #counter = 0;

  constructor(wallMs: () => number = Date.now) {
    this.#wallMs = wallMs;
  }

  next(): string {
    const random = crypto.getRandomValues(new Uint8Array(10));
    const now = Math.floor(this.#wallMs());
    if (now > this.#lastMs) {
      this.#lastMs = now;
      // Half of the counter's room is left for what comes in the same millisecond.
      this.#counter = (((random[8] ?? 0) << 8) | (random[9] ?? 0)) & 0x7ff;
    } else if (this.#counter === 0xfff) {
      this.#lastMs++;
      this.#counter = 0;
    } else {
      this.#counter++;
    }
    const time = this.#lastMs.toString(16).padStart(12, '0');
    const counter = this.#counter.toString(16).padStart(3, '0');
    const tail = Array.from(random.subarray(0, 8), (byte) => byte.toString(16).padStart(2, '0'));
    const variant = (((random[0] ?? 0) & 0x3f) | 0x80).toString(16);
    const rest = `${variant}${tail.slice(1).join('')}`;
    return `${time.slice(0, 8)}-${time.slice(8)}-7${counter}-${rest.slice(0, 4)}-${rest.slice(4)}`;
  }
}
