/**
 * The order in which changes are listed: of whole paths, byte by byte of their UTF-8, as native/launcher/layer.c walks. In it
 * "a.b" comes before "a/c", so that what a directory holds does not follow it at once.
 */

/** Code points in order are bytes of UTF-8 in order; JavaScript's own `<` compares UTF-16, where U+FFFD is after U+10000. */
export function comparePaths(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const [x, y] = [a.charCodeAt(i), b.charCodeAt(i)];
    if (x === y) continue;
    return isSurrogate(x) === isSurrogate(y) ? x - y : isSurrogate(x) ? 1 : -1;
  }
  return a.length - b.length;
}

/** Whether neither the path nor anything below it comes after `after`. */
export function isBefore(path: string, after: string): boolean {
  const below = `${path}/`;
  return !after.startsWith(below) && comparePaths(below, after) < 0;
}

/** Whether `name` comes after everything below `directory`, which comes before it. */
export function isPast(name: string, directory: string): boolean {
  return !name.startsWith(directory) || name.charCodeAt(directory.length) > SLASH;
}

const SLASH = 0x2f;

function isSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdfff;
}
