/**
 * Header fields on their way through: which ones end at the proxy (RFC 9110 section 7.6.1), and the shapes that
 * Node's two HTTP implementations want.
 */
import type { OutgoingHttpHeaders } from 'node:http2';

/** Name and value, in order, as they came. */
export type Fields = readonly (readonly [name: string, value: string])[];

const HOP_BY_HOP = new Set([
  'connection',
  'http2-settings',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'transfer-encoding',
  'upgrade',
]);

/** Node's `rawHeaders`, without HTTP/2's pseudo-fields. */
export function fieldsOf(raw: readonly string[]): Fields {
  const fields: [string, string][] = [];
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = raw[index] ?? '';
    if (!name.startsWith(':')) fields.push([name, raw[index + 1] ?? '']);
  }
  return fields;
}

export function valuesOf(fields: Fields, name: string): string[] {
  return fields.filter(([each]) => each.toLowerCase() === name).map(([, value]) => value);
}

/** Without what concerns this hop alone, and what `Connection` names; also without `besides`. */
export function endToEnd(fields: Fields, besides: readonly string[] = []): Fields {
  const named = valuesOf(fields, 'connection').flatMap((value) =>
    value.split(',').map((each) => each.trim().toLowerCase()),
  );
  const dropped = new Set([...HOP_BY_HOP, ...named, ...besides]);
  return fields.filter(([name]) => !dropped.has(name.toLowerCase()));
}

/** What `http.request` and `ServerResponse.writeHead` take, keeping order, case and repetitions. */
export function toFlat(fields: Fields): string[] {
  return fields.flat();
}

/** Of which each value stands for itself. */
const APART = new Set(['cookie', 'set-cookie', 'www-authenticate']);

/**
 * What `node:http2` takes: lower case, repetitions joined (RFC 9110 section 5.3), or as lists. Node throws for some fields
 * that come twice, and for trailers only when it writes them, which is in an event of its own.
 */
export function toHttp2(fields: Fields): OutgoingHttpHeaders {
  const headers: Record<string, string | string[]> = Object.create(null);
  for (const [name, value] of fields) {
    const key = name.toLowerCase();
    const before = headers[key];
    if (before === undefined) headers[key] = value;
    else if (APART.has(key)) headers[key] = [before, value].flat();
    else headers[key] = `${before}, ${value}`;
  }
  return headers;
}

/** HTTP/2 may split cookies into fields of their own; HTTP/1.1 has one (RFC 9113 section 8.2.3). */
export function withOneCookie(fields: Fields): Fields {
  const cookies = valuesOf(fields, 'cookie');
  if (cookies.length < 2) return fields;
  const rest = fields.filter(([name]) => name.toLowerCase() !== 'cookie');
  return [...rest, ['cookie', cookies.join('; ')]];
}
