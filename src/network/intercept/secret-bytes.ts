/**
 * Forms of a secret as bytes. Node's own encoders make strings, which nobody can overwrite; these do not.
 */
import { plainMemory } from '../../launcher/vault-channel.ts';

const STANDARD = Buffer.from(
  'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/',
  'latin1',
);
const URL_SAFE = Buffer.from(
  'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_',
  'latin1',
);
const UPPER = Buffer.from('0123456789ABCDEF', 'latin1');
const LOWER = Buffer.from('0123456789abcdef', 'latin1');
/** RFC 3986 section 2.3. */
const UNRESERVED = bytesOf(/[A-Za-z0-9._~-]/);
/** What `encodeURIComponent` leaves as it is. */
const LEFT_BY_SCRIPTS = bytesOf(/[A-Za-z0-9._~!*'()-]/);

/** A copy, the caller's to overwrite. */
export function secretBytes(value: string | Uint8Array): Buffer {
  if (typeof value !== 'string') {
    const copy = plainMemory(value.length);
    copy.set(value);
    return copy;
  }
  const copy = plainMemory(Buffer.byteLength(value));
  copy.write(value);
  return copy;
}

/** RFC 4648; the URL's alphabet without padding. */
export function base64Bytes(
  bytes: Uint8Array,
  alphabet: 'base64' | 'base64url' = 'base64',
): Buffer {
  const letters = alphabet === 'base64' ? STANDARD : URL_SAFE;
  const rest = bytes.length % 3;
  const padded = Math.ceil(bytes.length / 3) * 4;
  const out = plainMemory(alphabet === 'base64' || rest === 0 ? padded : padded - (3 - rest));
  let to = 0;
  for (let at = 0; at < bytes.length; at += 3) {
    const [a = 0, b, c] = [bytes[at], bytes[at + 1], bytes[at + 2]];
    const all = (a << 16) | ((b ?? 0) << 8) | (c ?? 0);
    const four = [all >> 18, (all >> 12) & 63, (all >> 6) & 63, all & 63];
    const letterCount = b === undefined ? 2 : c === undefined ? 3 : 4;
    for (let i = 0; i < 4 && to < out.length; i++) {
      out[to++] = i < letterCount ? (letters[four[i] ?? 0] ?? 0) : 0x3d;
    }
  }
  return out;
}

/** @param like `scripts`: as `encodeURIComponent` writes it; else everything but the unreserved, in these digits */
export function percentBytes(bytes: Uint8Array, like: 'upper' | 'lower' | 'scripts'): Buffer {
  const plain = like === 'scripts' ? LEFT_BY_SCRIPTS : UNRESERVED;
  const digits = like === 'lower' ? LOWER : UPPER;
  let length = 0;
  for (const byte of bytes) length += plain[byte] === 1 ? 1 : 3;
  const out = plainMemory(length);
  let to = 0;
  for (const byte of bytes) {
    if (plain[byte] === 1) {
      out[to++] = byte;
      continue;
    }
    out[to++] = 0x25;
    out[to++] = digits[byte >> 4] ?? 0;
    out[to++] = digits[byte & 15] ?? 0;
  }
  return out;
}

/** Every occurrence replaced; the same object where there is none. */
export function replaceBytes(from: Buffer, what: Buffer, by: Buffer): Buffer {
  const parts: Buffer[] = [];
  let cursor = 0;
  for (let at = from.indexOf(what); at >= 0; at = from.indexOf(what, cursor)) {
    parts.push(from.subarray(cursor, at), by);
    cursor = at + what.length;
  }
  return cursor === 0 ? from : Buffer.concat([...parts, from.subarray(cursor)]);
}

export function wipe(...all: readonly Uint8Array[]): void {
  for (const bytes of all) bytes.fill(0);
}

function bytesOf(pattern: RegExp): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, byte) =>
    byte < 128 && pattern.test(String.fromCharCode(byte)) ? 1 : 0,
  );
}
