/**
 * How long a value is as JSON, without writing it: what a guest returns can be small in memory and endless as text, by parts
 * that stand in many places, by arrays of which only the length is there, by bytes that are written as numbers.
 */

/** What `JSON.stringify` writes for one element of bytes or numbers, with its name, at least. */
const LEAST_ELEMENT = 6;

/**
 * At most about so long; a lower bound, which is off by no more than escapes are.
 *
 * @returns undefined where it is longer than `most`, or has no end
 */
export function jsonSizeOf(value: unknown, most: number): number | undefined {
  /** Of objects: their size; `open` while they are being looked at. */
  const known = new Map<object, number | 'open'>();
  const stack: { of: object; parts: Iterator<unknown>; size: number }[] = [];
  let size = 0;

  const enter = (each: unknown): number | undefined => {
    if (typeof each === 'string') return each.length + 2;
    if (typeof each !== 'object' || each === null) return 1;
    const before = known.get(each);
    if (before === 'open') return undefined;
    if (before !== undefined) return before;
    const flat = flatSizeOf(each);
    if (flat === undefined) {
      known.set(each, 'open');
      stack.push({ of: each, parts: partsOf(each), size: 1 });
      return 0;
    }
    known.set(each, flat);
    return flat;
  };

  const first = enter(value);
  if (first === undefined) return undefined;
  size = first;
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const { value: part, done } = top.parts.next();
    let more: number | undefined;
    if (done === true) {
      stack.pop();
      known.set(top.of, top.size);
      more = top.size;
      const above = stack.at(-1);
      if (above === undefined) size += more;
      else above.size += more;
    } else {
      more = enter(part);
      if (more === undefined) return undefined;
      top.size += more + 1;
    }
    if ((stack.at(-1)?.size ?? size) > most) return undefined;
  }
  return size > most ? undefined : size;
}

/** Of what needs no look inside. */
function flatSizeOf(value: object): number | undefined {
  if (value instanceof Date || value instanceof ArrayBuffer) return 2;
  if (!ArrayBuffer.isView(value)) return undefined;
  return value instanceof DataView ? 2 : (value as Uint8Array).length * LEAST_ELEMENT;
}

/** Holes are written, too. */
function* partsOf(value: object): Generator<unknown> {
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) yield value[i];
    return;
  }
  for (const [name, part] of Object.entries(value)) {
    yield name;
    yield part;
  }
}
