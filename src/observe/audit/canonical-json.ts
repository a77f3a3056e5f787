/**
 * One text for one value: members sorted by name, nothing optional, no white space; and of bounded length, since
 * guests decide how long their arguments are. What is cut says so.
 */

const MAX_TEXT = 4096;
const MAX_NAME = 256;
const MAX_ITEMS = 256;
const MAX_DEPTH = 8;
/** Characters of one record's details. */
const MAX_TOTAL = 64 * 1024;

/** What replaces a value that must not be written. */
export const REDACTED = '[secret]';

/** @param secrets values that are replaced wherever they stand, in names too */
export function canonicalJson(value: unknown, secrets: readonly string[] = []): string {
  let left = MAX_TOTAL;
  const text = (raw: string, most = Math.max(0, Math.min(MAX_TEXT, left))): string => {
    let shown = raw;
    for (const secret of secrets) {
      if (secret !== '' && shown.includes(secret)) shown = shown.replaceAll(secret, REDACTED);
    }
    if (shown.length > most) shown = `${shown.slice(0, most)}… (+${shown.length - most})`;
    left -= shown.length;
    return JSON.stringify(shown);
  };
  const write = (item: unknown, depth: number): string | undefined => {
    switch (typeof item) {
      case 'string':
        return text(item);
      case 'number':
        left -= 8;
        return Number.isFinite(item) ? String(Object.is(item, -0) ? 0 : item) : 'null';
      case 'boolean':
        return item ? 'true' : 'false';
      case 'bigint':
        return `"${item}"`;
      case 'object':
        break;
      default:
        return undefined;
    }
    if (item === null) return 'null';
    if (item instanceof Uint8Array) return `"${item.length} bytes"`;
    if (depth > MAX_DEPTH) return '"…"';
    if (item instanceof Set) return list([...item], depth);
    return Array.isArray(item) ? list(item, depth) : members(item, depth);
  };
  const list = (items: readonly unknown[], depth: number): string => {
    const shown: string[] = [];
    for (const item of items) {
      if (shown.length >= MAX_ITEMS || left <= 0) break;
      shown.push(write(item, depth + 1) ?? 'null');
    }
    const cut = items.length - shown.length;
    if (cut > 0) shown.push(`"… (+${cut})"`);
    return `[${shown.join(',')}]`;
  };
  const members = (item: object, depth: number): string => {
    const held = item instanceof Map ? Object.fromEntries(item) : (item as Record<string, unknown>);
    let shown = '';
    let count = 0;
    const names = Object.keys(held).sort();
    for (const name of names) {
      if (count >= MAX_ITEMS || left <= 0) break;
      count++;
      const member = write(held[name], depth + 1);
      if (member !== undefined)
        shown += `${shown === '' ? '' : ','}${text(name, MAX_NAME)}:${member}`;
    }
    if (count < names.length) shown += `${shown === '' ? '' : ','}"…":"+${names.length - count}"`;
    return `{${shown}}`;
  };
  return write(value, 0) ?? 'null';
}
