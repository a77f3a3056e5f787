/** What a caller may attach to a module: JSON of bounded size, and nothing that poses as a prototype. */

export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

const BYTES_MAX = 16 * 1024;
const DEPTH_MAX = 8;
/** Harmless as data, and what a careless merge of somebody's would follow. */
const NO_KEYS: readonly string[] = ['__proto__', 'constructor', 'prototype'];

/** What is wrong with it, in words. */
export class MetadataProblem extends Error {}

/** A copy, each property read once. @throws MetadataProblem; what a getter throws */
export function copyMetadata(value: unknown): Record<string, Json> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new MetadataProblem('it is not an object');
  }
  const copied = copy(value, 1, { left: BYTES_MAX }) as Record<string, Json>;
  const bytes = Buffer.byteLength(JSON.stringify(copied));
  if (bytes > BYTES_MAX) throw tooLarge();
  return copied;
}

function copy(value: unknown, depth: number, room: { left: number }): Json {
  // Each value is a byte of JSON at least: what is cyclic or endless ends here too.
  room.left -= typeof value === 'string' ? value.length : 1;
  if (room.left < 0) throw tooLarge();
  if (value === null || typeof value === 'boolean') return value;
  if (typeof value === 'string') {
    if (value.isWellFormed()) return value;
    throw new MetadataProblem('a text in it is not valid Unicode');
  }
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  if (typeof value !== 'object') throw new MetadataProblem(`JSON has no ${typeof value}`);
  if (depth > DEPTH_MAX) throw new MetadataProblem(`it is more than ${DEPTH_MAX} deep`);
  if (Array.isArray(value)) {
    const { length } = value;
    if (length > room.left) throw tooLarge();
    return Array.from({ length }, (_, index) => copy(value[index], depth + 1, room));
  }
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) {
    throw new MetadataProblem('an object in it is not a plain one');
  }
  const keys = Reflect.ownKeys(value);
  if (keys.length > room.left) throw tooLarge();
  const entries = keys.map((key): [string, Json] => {
    if (typeof key === 'symbol' || NO_KEYS.includes(key)) {
      throw new MetadataProblem(`it may not have the key ${JSON.stringify(String(key))}`);
    }
    room.left -= key.length;
    return [key, copy((value as Record<string, unknown>)[key], depth + 1, room)];
  });
  return Object.fromEntries(entries);
}

function tooLarge(): MetadataProblem {
  return new MetadataProblem(`it is larger than ${BYTES_MAX} bytes of JSON`);
}
