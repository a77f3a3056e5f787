/**
 * Replaces the values of known secrets in bytes that leave a sandbox: as they are, in base64 (also inside a longer text
 * that was encoded with them) and percent-encoded. Comparing needs the values beside the output, so they are here while
 * something may come out: in buffers, never in strings, overwritten when the last of those who look for them is done.
 *
 * A guard against accident. Who wants to get a value out writes it in another form.
 */
import { CaissonError } from '../core/error.ts';
import { plainMemory } from '../launcher/vault-channel.ts';
import { base64Bytes, percentBytes, secretBytes, wipe } from '../network/intercept/secret-bytes.ts';
import type { Policy } from '../policy/policy.ts';
import { sideChannelsOf } from '../policy/side-channels.ts';

/**
 * Undefined where the policy has no secret, or lets them out. Whoever made it closes it.
 *
 * @param secretValue a copy for us to overwrite; what is missing is nowhere
 */
export function redactorOf(
  policy: Policy,
  secretValue: (name: string) => Buffer | undefined,
): Redactor | undefined {
  if (!sideChannelsOf(policy).redact) return undefined;
  const secrets = (policy.network.secrets ?? []).flatMap(({ name }) => {
    const value = secretValue(name);
    return value === undefined ? [] : [{ name, value }];
  });
  const redactor = new Redactor(secrets);
  wipe(...secrets.map(({ value }) => value));
  return redactor;
}

export interface KnownSecret {
  readonly name: string;
  readonly value: string | Uint8Array;
}

interface Needle {
  readonly bytes: Buffer;
  readonly mark: Buffer;
}

/** Shorter values are in every text by chance, and are no secrets. */
const NEEDLE_MIN = 4;
/** So many characters of base64 stand for 6 bytes; fewer would be there by chance. */
const BASE64_MIN = 8;

/** Made once for a sandbox, shared by all of its streams. */
export class Redactor {
  readonly #needles: readonly Needle[];
  /** By first byte. */
  readonly #byFirst = new Map<number, Needle[]>();
  readonly #longest: number;
  #holders = 1;

  /** It keeps nothing of what it is given. */
  constructor(secrets: readonly KnownSecret[]) {
    const needles: Needle[] = [];
    for (const secret of secrets) {
      const mark = Buffer.from(`[secret ${secret.name}]`);
      const value = secretBytes(secret.value);
      for (const bytes of formsOf(value)) {
        if (needles.some((known) => known.bytes.equals(bytes))) wipe(bytes);
        else needles.push({ bytes, mark });
      }
      wipe(value);
    }
    // Of two that begin at one place the longer one is meant.
    this.#needles = needles.sort((a, b) => b.bytes.length - a.bytes.length);
    for (const needle of this.#needles) {
      const first = needle.bytes[0] ?? 0;
      this.#byFirst.set(first, [...(this.#byFirst.get(first) ?? []), needle]);
    }
    this.#longest = this.#needles[0]?.bytes.length ?? 0;
  }

  /**
   * For whoever looks for values beyond the one who made it. The values are overwritten when everybody has let go, and
   * whoever looks for them then gets SANDBOX_CLOSED: nothing passes that was not looked through.
   *
   * @returns lets go, once
   * @throws SANDBOX_CLOSED where they have been overwritten
   */
  hold(): () => void {
    this.#requireValues();
    this.#holders++;
    let isHeld = true;
    return () => {
      if (isHeld) this.#letGo();
      isHeld = false;
    };
  }

  /** Lets go, for the one who made it; once. */
  close(): void {
    this.#letGo();
  }

  /** The same object where there is nothing to replace. */
  bytes(from: Buffer): Buffer {
    const { parts, cursor } = this.#replace(from, true);
    if (parts.length === 0 && cursor === from.length) return from;
    return Buffer.concat(parts);
  }

  text(from: string): string {
    const bytes = Buffer.from(from);
    const clean = this.bytes(bytes);
    return clean === bytes ? from : clean.toString();
  }

  /** Every string in it, names of fields too; the same object where there is nothing to replace. */
  value<T>(from: T): T {
    return mentions(from, (text) => this.text(text) !== text) ? (this.#inside(from) as T) : from;
  }

  /**
   * Head and tail of an output whose middle is missing: what the cut left of a value, at least four bytes of it, is
   * replaced too.
   */
  cut(head: Buffer, tail: Buffer): { head: Buffer; tail: Buffer } {
    return { head: this.#cutEnd(this.bytes(head)), tail: this.#cutStart(this.bytes(tail)) };
  }

  stream(): RedactedStream {
    return new RedactedStream((bytes, last) => this.#replace(bytes, last), this.hold());
  }

  #requireValues(): void {
    if (this.#holders <= 0) throw new CaissonError('SANDBOX_CLOSED', { layer: 'sandbox' });
  }

  #letGo(): void {
    this.#holders--;
    if (this.#holders === 0) wipe(...this.#needles.map(({ bytes }) => bytes));
  }

  /**
   * Leftmost, longest. What could become a value when more comes is left, from `cursor` on.
   * `parts` is empty where nothing is replaced and nothing left.
   */
  #replace(bytes: Buffer, last: boolean): { parts: Buffer[]; cursor: number } {
    this.#requireValues();
    const parts: Buffer[] = [];
    const next = this.#needles.map(() => -1);
    let cursor = 0;
    for (;;) {
      let at = bytes.length;
      let found: Needle | undefined;
      for (const [i, needle] of this.#needles.entries()) {
        if ((next[i] ?? -1) < cursor) {
          const index = bytes.indexOf(needle.bytes, cursor);
          next[i] = index < 0 ? bytes.length : index;
        }
        if ((next[i] ?? at) < at) {
          at = next[i] ?? at;
          found = needle;
        }
      }
      const open = last ? bytes.length : this.#openFrom(bytes, cursor);
      if (found === undefined || at >= open) {
        if (cursor === 0 && open === bytes.length) return { parts, cursor: open };
        if (open > cursor) parts.push(bytes.subarray(cursor, open));
        return { parts, cursor: open };
      }
      if (at > cursor) parts.push(bytes.subarray(cursor, at));
      parts.push(found.mark);
      cursor = at + found.bytes.length;
    }
  }

  /** Where the first value could begin that the end cuts off. */
  #openFrom(bytes: Buffer, cursor: number): number {
    for (let at = Math.max(cursor, bytes.length - this.#longest + 1); at < bytes.length; at++) {
      const left = bytes.length - at;
      for (const needle of this.#byFirst.get(bytes[at] ?? 0) ?? []) {
        if (
          left < needle.bytes.length &&
          needle.bytes.compare(bytes, at, bytes.length, 0, left) === 0
        )
          return at;
      }
    }
    return bytes.length;
  }

  #cutEnd(head: Buffer): Buffer {
    for (let length = Math.min(this.#longest - 1, head.length); length >= NEEDLE_MIN; length--) {
      const end = head.subarray(head.length - length);
      const needle = this.#needles.find(
        ({ bytes }) => bytes.length > length && bytes.subarray(0, length).equals(end),
      );
      if (needle !== undefined)
        return Buffer.concat([head.subarray(0, head.length - length), needle.mark]);
    }
    return head;
  }

  #cutStart(tail: Buffer): Buffer {
    for (let length = Math.min(this.#longest - 1, tail.length); length >= NEEDLE_MIN; length--) {
      const start = tail.subarray(0, length);
      const needle = this.#needles.find(
        ({ bytes }) => bytes.length > length && bytes.subarray(bytes.length - length).equals(start),
      );
      if (needle !== undefined) return Buffer.concat([needle.mark, tail.subarray(length)]);
    }
    return tail;
  }

  #inside(from: unknown): unknown {
    if (typeof from === 'string') return this.text(from);
    if (Array.isArray(from)) return from.map((one) => this.#inside(one));
    if (typeof from !== 'object' || from === null) return from;
    return Object.fromEntries(
      Object.entries(from).map(([key, one]) => [this.text(key), this.#inside(one)]),
    );
  }
}

/** Pieces in, pieces out; at most one value's length is held back until more comes. */
class RedactedStream {
  readonly #replace: (bytes: Buffer, last: boolean) => { parts: Buffer[]; cursor: number };
  readonly #letGo: () => void;
  #held: Buffer = Buffer.alloc(0);

  constructor(
    replace: (bytes: Buffer, last: boolean) => { parts: Buffer[]; cursor: number },
    letGo: () => void,
  ) {
    this.#replace = replace;
    this.#letGo = letGo;
  }

  add(chunk: Buffer): Buffer {
    return this.#next(chunk, false);
  }

  /** What was held back, when nothing more comes. */
  end(): Buffer {
    const rest = this.#next(Buffer.alloc(0), true);
    this.close();
    return rest;
  }

  /** It ended otherwise. */
  close(): void {
    wipe(this.#held);
    this.#letGo();
  }

  #next(chunk: Buffer, last: boolean): Buffer {
    const bytes = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    const { parts, cursor } = this.#replace(bytes, last);
    // A copy: a view would keep the whole message that it came in.
    this.#held = Buffer.from(bytes.subarray(cursor));
    return parts.length === 0 ? bytes.subarray(0, cursor) : Buffer.concat(parts);
  }
}

function formsOf(value: Buffer): readonly Buffer[] {
  if (value.length < NEEDLE_MIN) return [];
  const forms = [
    secretBytes(value),
    percentBytes(value, 'upper'),
    percentBytes(value, 'lower'),
    percentBytes(value, 'scripts'),
  ];
  for (const alphabet of ['base64', 'base64url'] as const) {
    const whole = base64Bytes(value, alphabet);
    if (whole.length >= BASE64_MIN) forms.push(whole);
    else wipe(whole);
    forms.push(...[0, 1, 2].flatMap((shift) => insideBase64(value, shift, alphabet)));
  }
  return forms;
}

/** What of a text's base64 the value alone decides, where it stands `shift` bytes (mod 3) behind the text's start. */
function insideBase64(
  value: Buffer,
  shift: number,
  alphabet: 'base64' | 'base64url',
): readonly Buffer[] {
  const shifted = plainMemory(shift + value.length);
  shifted.set(value, shift);
  const text = base64Bytes(shifted, alphabet);
  const first = Math.ceil((shift * 8) / 6);
  const last = Math.floor(((shift + value.length) * 8) / 6);
  const inside = last - first >= BASE64_MIN ? [secretBytes(text.subarray(first, last))] : [];
  wipe(shifted, text);
  return inside;
}

function mentions(value: unknown, isIn: (text: string) => boolean): boolean {
  if (typeof value === 'string') return isIn(value);
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(value).some(([key, one]) => isIn(key) || mentions(one, isIn));
}
