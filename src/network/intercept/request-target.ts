/**
 * What a request's target means. Servers disagree about paths (encoded slashes, dot segments, parameters after `;`),
 * and a rule is worth nothing where the proxy reads one path and the server another. So where rules hold
 *  - a path that has one sound reading is written in that one way, held against the rules, and sent on as written;
 *  - one that has several is allowed only if every reading is;
 *  - one that no honest program sends (backslash, NUL, a percent sign encoded twice, broken UTF-8) is refused.
 * RFC 3986 sections 3.3, 5.2.4 and 6.2.2.
 */

export interface PathReadings {
  /** What goes to the server: unreserved characters decoded, dot segments taken out, slashes merged. */
  readonly forwarded: string;
  /** Decoded paths that a server may take it for; each is held against the rules. */
  readonly readings: readonly string[];
}

export type Understood<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly reason: string };

/** A request target, taken apart. */
export interface Target {
  /** Of an absolute target (`GET http://example.org/ HTTP/1.1`); it must agree with everything else. */
  readonly origin?: { readonly scheme: string; readonly authority: string };
  readonly path: string;
  /** With its `?`, or empty. */
  readonly query: string;
}

/** Visible ASCII without what no target may hold raw. */
const TARGET = /^[\x21\x24-\x5b\x5d-\x7e]*$/;

/** Origin form, absolute form and `*` (RFC 9112 section 3.2). */
export function parseTarget(raw: string): Understood<Target> {
  const absolute = /^([a-z][a-z0-9+.-]*):\/\/([^/?#]*)(.*)$/i.exec(raw);
  const rest = absolute ? absolute[3] || '/' : raw;
  if (!absolute && rest !== '*' && !rest.startsWith('/')) {
    return refuse('the target of the request is neither a path nor a URL');
  }
  if (rest.includes('#')) return refuse('the target of the request holds a fragment');
  const mark = rest.indexOf('?');
  const path = mark < 0 ? rest : rest.slice(0, mark);
  const query = mark < 0 ? '' : rest.slice(mark);
  const origin = absolute
    ? { scheme: (absolute[1] ?? '').toLowerCase(), authority: absolute[2] ?? '' }
    : undefined;
  return {
    ok: true,
    value: { path: path === '' ? '/' : path, query, ...(origin === undefined ? {} : { origin }) },
  };
}

/** For servers that rules hold for. */
export function readPath(raw: string): Understood<PathReadings> {
  if (raw === '*') return { ok: true, value: { forwarded: '*', readings: ['*'] } };
  if (!TARGET.test(raw)) return refuse('the path holds a character that a URL may not hold');
  if (/%(?![0-9a-f]{2})/i.test(raw))
    return refuse('the path holds a percent sign that encodes nothing');
  if (/%(?:5c|0[0-9a-f]|1[0-9a-f]|7f)/i.test(raw)) {
    return refuse('the path holds an encoded backslash or control character');
  }
  if (/%25[0-9a-f]{2}/i.test(raw)) return refuse('the path is encoded twice');
  const plain = raw.replace(/%[0-9a-f]{2}/gi, decodeUnreserved);
  if (decode(plain) === undefined) return refuse('the path is not UTF-8');
  const forwarded = withoutDots(plain);
  // A dot segment that shows only to a server which takes `%2F` for a slash, or `..;x` for `..`.
  const hidden = forwarded.split(/\/|%2F/).some((piece, index, pieces) => {
    const bare = piece.replace(/(?:;|%3B).*$/, '');
    const dots = bare === '.' || bare === '..';
    const emptied = bare === '' && piece !== '';
    const between = index > 0 && index < pieces.length - 1;
    return dots || emptied || (piece === '' && between);
  });
  if (hidden) return refuse('the path leads elsewhere for some servers (`..;`, `%2F..`)');
  const asSlash = forwarded.replaceAll('%2F', '/');
  // Kept as `%2F` where it is no slash, so that a rule can name it.
  const kept = forwarded.replaceAll('%2F', '%252F');
  // Servers cut parameters off before they decode, or after.
  const candidates = [kept, asSlash].flatMap((path) => [
    path,
    path.replace(/;[^/]*/g, ''),
    path.replace(/(?:;|%3B)[^/]*/g, ''),
  ]);
  const readings = [...new Set(candidates.map((path) => decode(path) ?? path))];
  return { ok: true, value: { forwarded, readings } };
}

/** RFC 3986 section 6.2.2: the same letter has one writing; hexadecimal digits are upper case. */
function decodeUnreserved(encoded: string): string {
  const character = String.fromCharCode(Number.parseInt(encoded.slice(1), 16));
  return /[A-Za-z0-9._~-]/.test(character) ? character : encoded.toUpperCase();
}

function decode(path: string): string | undefined {
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined;
  }
}

/** RFC 3986 section 5.2.4, and runs of slashes made one. */
function withoutDots(path: string): string {
  const kept: string[] = [];
  const pieces = path.split('/');
  for (const piece of pieces) {
    if (piece === '..') kept.pop();
    else if (piece !== '.' && piece !== '') kept.push(piece);
  }
  const last = pieces.at(-1) ?? '';
  const directory = kept.length > 0 && (last === '' || last === '.' || last === '..');
  return `/${kept.join('/')}${directory ? '/' : ''}`;
}

/**
 * Whether an authority (`Host`, `:authority`) means this name and port. A port that is left out is taken for the
 * connection's own, since some programs leave it out.
 */
export function meansName(authority: string, name: string, port: number): boolean {
  const match = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([0-9]{1,5}))?$/i.exec(authority);
  if (match === null) return false;
  const bare = (match[1] ?? '')
    .replace(/^\[|\]$/g, '')
    .toLowerCase()
    .replace(/\.$/, '');
  return (
    bare === name.replace(/^\[|\]$/g, '') && (match[2] === undefined || Number(match[2]) === port)
  );
}

function refuse(reason: string): { readonly ok: false; readonly reason: string } {
  return { ok: false, reason };
}
