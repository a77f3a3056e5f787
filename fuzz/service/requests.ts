/** Requests as bytes: right ones for a route, and such as are wrong in one way or several. */
import { isBytes, type Route } from '../../src/api/route.ts';
import type { SeededRandom } from '../../test/seeded-random.ts';
import {
  HEADERS,
  METHODS,
  mutatePath,
  mutateQuery,
  mutateText,
  mutateValue,
  write,
} from './mutations.ts';
import { type Schema, type Things, valueFor } from './values.ts';

/** An operation of the OpenAPI document. */
export interface Operation {
  readonly route: Route;
  readonly parameters: readonly {
    readonly name: string;
    readonly in: string;
    readonly required: boolean;
    readonly schema: Schema;
  }[];
  readonly body?: Schema;
  readonly statuses: ReadonlySet<number>;
}

export interface FuzzedRequest {
  readonly bytes: Buffer;
  /** What was done to it; empty: nothing. */
  readonly changes: readonly string[];
  /** It is one HTTP request to this route, whatever else is wrong with it: the contract says how it is answered. */
  readonly isOfRoute: boolean;
  /** It is whole, so that it must be answered. */
  readonly isWhole: boolean;
  readonly method: string;
  /** For the report. */
  readonly text: string;
}

type Header = readonly [name: string, value: string];

export function requestFor(
  operation: Operation,
  random: SeededRandom,
  things: Things,
  key: string | undefined,
): FuzzedRequest {
  const { route } = operation;
  const changes: string[] = [];
  const change = (name: string, share: number): boolean => {
    const isSo = random.chance(share);
    if (isSo) changes.push(name);
    return isSo;
  };
  const isMutated = random.chance(0.75);
  const of = (share: number): number => (isMutated ? share : 0);

  let path = pathFor(operation, random, things);
  if (change('path', of(0.08))) path = mutatePath(path, random);
  let query = queryFor(operation, random, things);
  if (change('query', of(0.15))) query = mutateQuery(query, random);
  const method = change('method', of(0.04)) ? random.pick(METHODS) : route.method;

  const headers: Header[] = [['host', 'localhost']];
  if (key !== undefined && !change('no credentials', of(0.02)))
    headers.push(['authorization', `Bearer ${key}`]);
  let body = bodyFor(operation, random, things, change, of);
  if (body !== undefined) {
    const type = isBytes(route.body) ? route.body.bytes : 'application/json';
    if (!change('no content-type', of(0.04))) headers.push(['content-type', type]);
  } else if (change('a body', of(0.05)))
    body = Buffer.from(random.pick(['{}', 'x', 'null', '{"a":1}']));
  if (route.idempotent === true && random.chance(0.2)) {
    headers.push(['idempotency-key', `key-${random.below(40)}`]);
  }
  let isFraming = false;
  if (change('headers', of(0.2))) {
    for (let i = 1 + random.below(2); i > 0; i--) {
      const header = random.pick(HEADERS);
      // They say where the request ends, or what it is.
      if (
        /^(content-length|transfer-encoding|upgrade|expect|host|connection|x-h)/.test(header[0]) ||
        /[^\x20-\x7e]/.test(header.join())
      )
        isFraming = true;
      if (random.chance(0.5)) headers.unshift(header);
      else headers.push(header);
    }
  }
  const framing = change('framing', of(0.1))
    ? random.pick(FRAMINGS)
    : random.chance(0.1)
      ? chunked
      : exact;
  const { lines, payload, isWhole } = framing(body, random);
  if (framing !== exact && framing !== chunked) isFraming = true;
  const target = query === '' ? path : `${path}?${query}`;
  const text = `${method} ${target} HTTP/1.1\r\n${[...headers, ...lines].map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`;
  const isOfRoute = !isFraming && !changes.some((each) => ['path', 'method'].includes(each));
  return {
    bytes: Buffer.concat([Buffer.from(text, 'latin1'), payload]),
    changes,
    isOfRoute,
    isWhole: isWhole && !isFraming,
    method,
    text: `${text}${payload.toString('latin1')}`,
  };
}

function pathFor({ route, parameters }: Operation, random: SeededRandom, things: Things): string {
  return route.path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const schema =
      parameters.find((each) => each.in === 'path' && each.name === name)?.schema ?? {};
    const known = name === 'id' || name === 'name' ? thingsOf(route.path, things) : undefined;
    const value =
      known !== undefined && random.chance(0.9)
        ? random.pick(known)
        : valueFor(schema, name, random, things);
    return encodeURIComponent(String(value ?? 'none')).slice(0, 5000) || 'none';
  });
}

function thingsOf(path: string, things: Things): readonly string[] {
  if (path.startsWith('/api/sandboxes')) return ['none', ...things.sandbox];
  if (path.startsWith('/api/snapshots')) return ['none', ...things.snapshot];
  if (path.startsWith('/api/access/keys')) return ['none', ...things.key];
  if (path.startsWith('/api/access/tenants')) return things.tenant;
  if (path.startsWith('/api/policies')) return ['mine', 'other', 'strict', ...things.policy];
  return ['mine', 'nobody'];
}

function queryFor({ parameters }: Operation, random: SeededRandom, things: Things): string {
  const pairs = parameters
    .filter(
      (each) => each.in === 'query' && (each.required ? random.chance(0.98) : random.chance(0.3)),
    )
    .map(
      ({ name, schema }) =>
        `${name}=${encodeURIComponent(String(valueFor(schema, name, random, things)))}`,
    );
  return pairs.join('&');
}

function bodyFor(
  { route, body }: Operation,
  random: SeededRandom,
  things: Things,
  change: (name: string, share: number) => boolean,
  of: (share: number) => number,
): Buffer | undefined {
  if (route.body === undefined || change('no body', of(0.03))) return undefined;
  if (isBytes(route.body)) {
    return random.pick([
      Buffer.alloc(0),
      Buffer.from('bytes'),
      Buffer.alloc(200_000, 7),
      Buffer.alloc(1024),
      Buffer.from(random.pick(['ustar', '\x1f\x8b']).repeat(200)),
    ]);
  }
  if (route.bodyOptional === true && random.chance(0.2)) return undefined;
  let value = valueFor(body ?? {}, '', random, things);
  if (change('value', of(0.5))) {
    for (let i = 1 + random.below(2); i > 0; i--) value = mutateValue(value, random);
  }
  const text = Buffer.from(write(value, change('doubled names', of(0.1)) ? random : undefined));
  if (!change('text', of(0.08))) return text;
  return Buffer.from(mutateText(text.toString('latin1'), random), 'latin1');
}

interface Framed {
  readonly lines: readonly Header[];
  readonly payload: Buffer;
  readonly isWhole: boolean;
}
type Framing = (body: Buffer | undefined, random: SeededRandom) => Framed;

const exact: Framing = (body) =>
  body === undefined
    ? { lines: [], payload: Buffer.alloc(0), isWhole: true }
    : { lines: [['content-length', String(body.length)]], payload: body, isWhole: true };

const chunked: Framing = (body, random) => {
  if (body === undefined || body.length === 0) return exact(body, random);
  const at = random.below(body.length);
  const pieces = [body.subarray(0, at), body.subarray(at)].filter(({ length }) => length > 0);
  const payload = Buffer.concat([
    ...pieces.flatMap((piece) => [
      Buffer.from(`${piece.length.toString(16)}\r\n`),
      piece,
      Buffer.from('\r\n'),
    ]),
    Buffer.from('0\r\n\r\n'),
  ]);
  return { lines: [['transfer-encoding', 'chunked']], payload, isWhole: true };
};

const FRAMINGS: readonly Framing[] = [
  (body = Buffer.from('{}')) => ({
    lines: [['content-length', String(body.length + 7)]],
    payload: body,
    isWhole: false,
  }),
  (body = Buffer.from('{}')) => ({
    lines: [['content-length', String(Math.max(0, body.length - 1))]],
    payload: body,
    isWhole: false,
  }),
  (body = Buffer.from('{}'), random) => ({
    lines: [
      [
        'content-length',
        random.pick([
          '-1',
          '+2',
          '0x2',
          '2,2',
          '1e1',
          '99999999999999999999',
          '',
          ' ',
          '2 2',
          '18446744073709551616',
        ]),
      ],
    ],
    payload: body,
    isWhole: false,
  }),
  (body = Buffer.from('{}')) => ({
    lines: [
      ['content-length', String(body.length)],
      ['content-length', String(body.length + 1)],
    ],
    payload: body,
    isWhole: false,
  }),
  (body = Buffer.from('{}')) => ({
    lines: [
      ['content-length', '4'],
      ['transfer-encoding', 'chunked'],
    ],
    payload: Buffer.concat([Buffer.from('0\r\n\r\n'), body]),
    isWhole: false,
  }),
  (body = Buffer.from('{}'), random) => ({
    lines: [
      [
        'transfer-encoding',
        random.pick([
          'chunked, identity',
          'gzip, chunked',
          'xchunked',
          'chunked chunked',
          '\x0bchunked',
          'identity',
        ]),
      ],
    ],
    payload: body,
    isWhole: false,
  }),
  (body = Buffer.from('{}'), random) => ({
    lines: [['transfer-encoding', 'chunked']],
    payload: Buffer.concat([
      Buffer.from(
        random.pick([
          'zz\r\n',
          '-1\r\n',
          'fffffffffffffffff\r\n',
          '2;a=b\r\n',
          '2\n',
          ' 2\r\n',
          '2\r\r\n',
        ]),
      ),
      body,
    ]),
    isWhole: false,
  }),
  (body = Buffer.from('{}')) => ({
    lines: [['transfer-encoding', 'chunked']],
    payload: Buffer.concat([Buffer.from(`${body.length.toString(16)}\r\n`), body]),
    isWhole: false,
  }),
  (body = Buffer.from('{}')) => ({ lines: [], payload: body, isWhole: false }),
  (body = Buffer.from('{}')) => ({
    lines: [
      ['x\0y', 'a'],
      ['content-length', String(body.length)],
    ],
    payload: body,
    isWhole: false,
  }),
  (body = Buffer.from('{}')) => ({
    lines: [
      ['x', 'a\r\n folded'],
      ['content-length', String(body.length)],
    ],
    payload: body,
    isWhole: false,
  }),
  (body = Buffer.from('{}')) => ({
    lines: [
      ['x', 'a\nb: c'],
      ['content-length', String(body.length)],
    ],
    payload: body,
    isWhole: false,
  }),
  (body = Buffer.from('{}')) => ({
    lines: [
      ['x ', 'a'],
      ['content-length', String(body.length)],
    ],
    payload: body,
    isWhole: false,
  }),
];
