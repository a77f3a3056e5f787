/**
 * One written form for each host name: lower case, no dot at the end (RFC 4343; RFC 1034 section 3.1).
 */

const LABEL = '[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?';
const NAME = new RegExp(`^${LABEL}(?:\\.${LABEL})*$`);

/** Whether the last label makes resolvers read a name as a number (inet_aton(3)): `127.1`, `0x7f.1`, `2130706433`. */
export function isNumeric(name: string): boolean {
  return /(^|\.)(\d+|0x[0-9a-f]*)\.?$/i.test(name);
}

/**
 * The name in its one form, or nothing where it is none: NUL bytes, empty labels, letters beyond ASCII, more than 253
 * characters, addresses in any notation.
 */
export function hostName(text: string): string | undefined {
  // toLowerCase maps some letters beyond ASCII into it (the Kelvin sign to k), so look before.
  if (text.length > 254 || !/^[\u0021-\u007e]+$/.test(text)) return undefined;
  const name = text.toLowerCase().replace(/\.$/, '');
  if (name.length > 253 || isNumeric(name)) return undefined;
  return NAME.test(name) ? name : undefined;
}
