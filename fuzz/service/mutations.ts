/** What can be wrong with a document, with a text, and with a request as bytes. */
import type { SeededRandom } from '../../test/seeded-random.ts';

/** JSON that stands in a document as it is written here. */
class Raw {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

const NASTY: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  1.5,
  -0,
  2 ** 53,
  Number.MAX_VALUE,
  '',
  'x'.repeat(100_000),
  '\u0000',
  'a\u0000b',
  [],
  {},
  [[[[]]]],
  '\u202e\u0007',
  '../../..',
  'é\u0301',
  '💥'.repeat(50),
  "'; DROP TABLE keys; --",
  // biome-ignore lint/suspicious/noTemplateCurlyInString: what template engines would evaluate.
  '${7*7}',
  '%00%2f',
  '\r\nx: y',
  ' ',
  new Raw('"\\ud800"'),
  new Raw('"\\udfff\\ud800"'),
  new Raw('1e999'),
  new Raw('-1e999'),
  new Raw('1e-999'),
  new Raw('123456789012345678901234567890'),
  new Raw(`${'['.repeat(5000)}${']'.repeat(5000)}`),
  new Raw(`${'{"a":'.repeat(3000)}1${'}'.repeat(3000)}`),
  new Raw('{"__proto__":{"x":1}}'),
  new Raw('{"constructor":{"prototype":{"x":1}}}'),
  new Raw('{"toString":1,"hasOwnProperty":2,"then":3,"toJSON":4}'),
  new Raw('{"a":1,"a":2}'),
  new Raw('NaN'),
  new Raw('undefined'),
  new Raw('01'),
  new Raw('.5'),
  new Raw('"\t"'),
  new Raw(`[${'1,'.repeat(20_000)}1]`),
  new Raw(`{${Array.from({ length: 5000 }, (_, i) => `"k${i}":""`).join()}}`),
];
const NAMES = [
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'then',
  '',
  'a'.repeat(10_000),
  '\u0000',
  'é',
  'length',
  '0',
];

/** A value somewhere in it, or a name, is another. */
export function mutateValue(value: unknown, random: SeededRandom): unknown {
  if (random.chance(0.2) || typeof value !== 'object' || value === null) return random.pick(NASTY);
  if (Array.isArray(value)) {
    if (value.length === 0 || random.chance(0.2)) return [...value, random.pick(NASTY)];
    const at = random.below(value.length);
    return value.map((each, i) => (i === at ? mutateValue(each, random) : each));
  }
  const entries = Object.entries(value);
  if (entries.length === 0 || random.chance(0.25)) {
    entries.push([random.pick(NAMES), random.pick(NASTY)]);
    return Object.fromEntries(entries);
  }
  const at = random.below(entries.length);
  if (random.chance(0.2)) return Object.fromEntries(entries.filter((_, i) => i !== at));
  return Object.fromEntries(
    entries.map(([name, each], i) => [name, i === at ? mutateValue(each, random) : each]),
  );
}

/** As JSON, with what stands in it raw. */
export function write(value: unknown, random?: SeededRandom): string {
  if (value instanceof Raw) return value.text;
  if (Array.isArray(value)) return `[${value.map((each) => write(each, random)).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const members = Object.entries(value).map(
    ([name, each]) => `${JSON.stringify(name)}:${write(each, random)}`,
  );
  const [first] = members;
  if (first !== undefined && random?.chance(0.1) === true) members.push(first);
  return `{${members.join(',')}}`;
}

/** The document as text is wrong. */
export function mutateText(text: string, random: SeededRandom): string {
  const at = random.below(text.length + 1);
  return random.pick([
    () => text.slice(0, at),
    () =>
      `${text.slice(0, at)}${random.pick(['\u0000', '\\', '"', '{', ',', '\u00ff\u00fe', '\u00c0\u0080'])}${text.slice(at)}`,
    () => `\u00ef\u00bb\u00bf${text}`,
    () => `${text}${text}`,
    () => '',
    () => ' '.repeat(50_000) + text,
    () => 'null',
    () => '"text"',
    () => '[]',
    () => '[[[',
  ])();
}

const PIECES = [
  '%00',
  '%',
  '%zz',
  '%c0%af',
  '%2e%2e',
  '%252e%252e%252f',
  '..',
  '\u00e9',
  ';a=b',
  '//',
  '%2F',
  'a'.repeat(6000),
  '%F0%28',
  '{id}',
  '*',
  '%0d%0aX: y',
  '\\',
  ':id',
];

/** The path is another. */
export function mutatePath(path: string, random: SeededRandom): string {
  const parts = path.split('/');
  const at = 1 + random.below(parts.length - 1);
  parts[at] = random.pick([
    random.pick(PIECES),
    `${parts[at]}${random.pick(PIECES)}`,
    encodeURIComponent(encodeURIComponent(`${parts[at]}/..`)),
    '',
  ]);
  return parts.join('/').replaceAll(' ', '%20');
}

const QUERIES = [
  'a=b',
  'limit=',
  'limit=1e3',
  'limit=0x10',
  'limit=-1',
  'limit=99999999999999999999',
  'limit=1&limit=2',
  'limit[]=1',
  '__proto__=1',
  '__proto__[x]=1',
  'constructor=1',
  'after=%00',
  'after=%ff',
  `after=${'a'.repeat(5000)}`,
  '=',
  '&&&',
  'path',
  'path=a&path=b',
  '%00=%00',
  '?',
  'a[b][c]=d',
  'limit=%EF%BC%91',
  'limit=NaN',
  'limit=Infinity',
  'limit= 5',
];

export function mutateQuery(query: string, random: SeededRandom): string {
  const more = random.pick(QUERIES).replaceAll(' ', '%20');
  return random.pick([
    more,
    `${query}&${more}`,
    `${more}&${query}`,
    query.replace(/=[^&]*/, `=${random.pick(PIECES)}`),
  ]);
}

export const HEADERS: readonly (readonly [string, string])[] = [
  ['content-type', 'text/plain'],
  ['content-type', 'application/json; charset=utf-7'],
  ['content-type', ''],
  ['content-type', 'a'],
  ['content-type', 'application/json;;;'],
  ['content-type', 'multipart/form-data'],
  ['content-type', 'application/jsonx'],
  ['content-type', 'application/x-www-form-urlencoded'],
  ['content-encoding', 'gzip'],
  ['accept', 'text/html'],
  ['accept-encoding', 'br;q=9'],
  ['range', 'bytes=-0'],
  ['range', 'bytes=9-1'],
  ['range', 'bytes=0-0,5-6'],
  ['range', 'x'.repeat(3000)],
  ['if-none-match', '*'],
  ['if-none-match', '"'],
  ['if-match', '*'],
  ['if-match', 'W/"1"'],
  ['if-match', '"1"'],
  ['if-range', '"x"'],
  ['idempotency-key', ''],
  ['idempotency-key', 'k'],
  ['idempotency-key', 'k'.repeat(255)],
  ['idempotency-key', 'k'.repeat(256)],
  ['idempotency-key', '\u00e9'],
  ['expect', '100-continue'],
  ['expect', '200-maybe'],
  ['origin', 'http://evil.example'],
  ['host', 'evil.example'],
  ['host', ''],
  ['host', '127.0.0.1:1@evil'],
  ['x-forwarded-for', '1.2.3.4'],
  ['x-http-method-override', 'DELETE'],
  ['cookie', 'a=b'],
  ['traceparent', '00-zz-zz-zz'],
  ['traceparent', `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`],
  ['tracestate', 'a=\u00e9'],
  ['last-event-id', 'x'.repeat(500)],
  ['last-event-id', '\u00e9'],
  ['connection', 'close'],
  ['connection', 'x-request-id'],
  ['te', 'trailers'],
  ['upgrade', 'h2c'],
  ['x-long', 'x'.repeat(15_000)],
  ['x-huge', 'x'.repeat(20_000)],
  ['authorization', 'Bearer x'],
  ['authorization', 'Basic YTpi'],
  ['x-\u00e9', 'a'],
  ['transfer-encoding', 'identity'],
  ['content-length', '5'],
];

export const METHODS = [
  'GET',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'HEAD',
  'OPTIONS',
  'TRACE',
  'PROPFIND',
  'QUERY',
  'get',
  'XYZZY',
  'PURGE',
  'LOCK',
];
