/**
 * What a caller without types gets wrong about options: a name that nobody knows, or a value of another kind. Passed over,
 * it would let something weaker run than was asked for. The lists (each `option-kinds.ts`) are held against the types by the
 * compiler; what a number or a text may be is checked where it is used.
 */
import { CaissonError, type ErrorLayer } from '../core/error.ts';
import { suggest } from './suggest.ts';

const WORDS = {
  any: { is: () => true, write: 'something' },
  // null would be taken for left out, and something else be run than somebody thought to have named.
  given: { is: (value) => value !== null, write: 'one, or leave it out' },
  text: { is: (value) => typeof value === 'string', write: 'a text' },
  number: { is: (value) => typeof value === 'number', write: 'a number' },
  boolean: { is: (value) => typeof value === 'boolean', write: 'true or false' },
  function: { is: (value) => typeof value === 'function', write: 'a function' },
  object: { is: isObject, write: 'an object' },
  list: { is: (value) => Array.isArray(value), write: 'a list' },
  texts: {
    is: (value) => Array.isArray(value) && value.every((each) => typeof each === 'string'),
    write: 'a list of texts',
  },
  textsByName: {
    is: (value) =>
      isObject(value) && Object.values(value).every((each) => typeof each === 'string'),
    write: 'an object whose values are texts',
  },
  contentByName: {
    is: (value) => isObject(value) && Object.values(value).every(isContent),
    write: 'an object whose values are texts or bytes',
  },
  bytes: { is: (value) => value instanceof Uint8Array, write: 'bytes (a Buffer or Uint8Array)' },
  content: {
    is: isContent,
    write: 'a text or bytes (a Buffer or Uint8Array)',
  },
  fuel: {
    is: (value) => typeof value === 'bigint' && value > 0n && value < 2n ** 63n,
    write: 'a bigint above 0, such as 1_000_000n',
  },
  bigint: {
    is: (value) => typeof value === 'bigint',
    write: 'a bigint, such as 1_700_000_000_000_000_000n',
  },
  key: {
    is: (value) =>
      isObject(value) && 'asymmetricKeyType' in value && typeof value.export === 'function',
    write: 'a KeyObject of node:crypto, such as readPublicKey makes of a file',
  },
  signal: {
    // Not by instanceof: it may be of another realm.
    is: (value) =>
      isObject(value) && typeof value.aborted === 'boolean' && 'addEventListener' in value,
    write: 'an AbortSignal, such as the `signal` of an AbortController',
  },
} as const satisfies Record<
  string,
  { readonly is: (value: unknown) => boolean; readonly write: string }
>;

type Word = keyof typeof WORDS;

/** A word, what it may be one of, what it must be able to do, or the options that it holds. */
export type Kind = Word | readonly string[] | Having | KnownOptions;

/** An object with these methods. */
class Having {
  readonly methods: readonly string[];

  constructor(methods: readonly string[]) {
    this.methods = methods;
  }
}

/** Of an object that the caller made: a promise of one, which somebody forgot to await, has them not. */
export function having(...methods: readonly string[]): Having {
  return new Having(methods);
}

export interface KnownOptions {
  readonly [name: string]: Kind;
}

/** Every option of `O`, and of which kind it is where the type says so. */
export type KindsOf<O> = { readonly [K in keyof O]-?: KindOf<Exclude<O[K], undefined>> };

type KindOf<V> = [V] extends [AbortSignal]
  ? 'signal'
  : [V] extends [boolean]
    ? 'boolean'
    : [V] extends [number]
      ? 'number'
      : [V] extends [string]
        ? string extends V
          ? 'text'
          : readonly V[]
        : [V] extends [Uint8Array]
          ? 'bytes'
          : [V] extends [bigint]
            ? 'bigint' | 'fuel'
            : [V] extends [string | Uint8Array]
              ? 'content'
              : [V] extends [readonly string[]]
                ? 'texts' | 'list'
                : [V] extends [(...args: never[]) => unknown]
                  ? 'function'
                  : Kind;

/**
 * @param what as a message calls what takes them
 * @throws REQUEST_INVALID that names the option, and the one that was probably meant
 */
export function checkOptions(
  options: unknown,
  what: string,
  known: KnownOptions,
  layer: ErrorLayer = 'sandbox',
): void {
  // Of a Map, or a promise that nobody awaited, no option would be read.
  if (!isPlain(options)) throw noOptions(options, what, known, layer);
  for (const name in options) {
    const kind = Object.hasOwn(known, name) ? known[name] : undefined;
    if (kind === undefined) throw unknownOption(name, what, Object.keys(known), layer);
    // It would be lost wherever options are copied.
    if (!Object.hasOwn(options, name)) throw inherited(name, what, layer);
    const value = options[name];
    if (value !== undefined) checkKind(value, kind, `${what}: ${name}`, layer);
  }
}

/** @throws REQUEST_INVALID */
export function checkKind(value: unknown, kind: Kind, what: string, layer: ErrorLayer): void {
  if (typeof kind === 'string') {
    if (!WORDS[kind].is(value)) {
      throw invalid(`${what} is ${shown(value)}`, WORDS[kind].write, layer);
    }
  } else if (kind instanceof Having) {
    if (!has(value, kind.methods)) {
      const able = `an object with ${kind.methods.join(', ')}`;
      throw invalid(
        `${what} is ${shown(value)}`,
        value instanceof Promise ? `${able}: await it` : able,
        layer,
      );
    }
  } else if (!isList(kind)) {
    if (!isObject(value)) throw invalid(`${what} is ${shown(value)}`, WORDS.object.write, layer);
    checkOptions(value, what, kind, layer);
  } else if (!kind.includes(value as string)) throw noneOf(value, kind, what, layer);
}

export function unknownOption(
  name: string,
  what: string,
  known: readonly string[],
  layer: ErrorLayer,
): CaissonError {
  const meant = meantBy(name, known);
  return new CaissonError('REQUEST_INVALID', {
    layer,
    message: `${what} has no option ${JSON.stringify(name.slice(0, 80))}`,
    hint:
      meant !== undefined
        ? `did you mean ${meant}?`
        : known.length === 0
          ? 'it takes none'
          : `it takes ${known.join(', ')}`,
    details: { option: name.slice(0, 80) },
  });
}

/** Units are what is forgotten first: `memory` for `memoryBytes`, `timout` for `timeoutMs`. */
function meantBy(name: string, known: readonly string[]): string | undefined {
  const bare = known.map((each) => each.replace(/(?:Ms|Bytes)$/, ''));
  const near = suggest(name, bare);
  return suggest(name, known) ?? (near === undefined ? undefined : known[bare.indexOf(near)]);
}

function noOptions(
  options: unknown,
  what: string,
  known: KnownOptions,
  layer: ErrorLayer,
): CaissonError {
  const names = Object.keys(known);
  const example = names.includes('policy') ? "{ policy: 'strict' }" : `{ ${names[0] ?? ''}: … }`;
  return new CaissonError('REQUEST_INVALID', {
    layer,
    message: `the options of ${what} are ${shown(options)}`,
    hint:
      typeof options === 'function'
        ? 'nothing here takes a callback: await the promise'
        : options instanceof Promise
          ? 'await them'
          : `give an object, such as ${example}, or leave it out`,
  });
}

function inherited(name: string, what: string, layer: ErrorLayer): CaissonError {
  return new CaissonError('REQUEST_INVALID', {
    layer,
    message: `the option ${name} of ${what} is inherited from a prototype`,
    hint: 'copy it into the object: { ...defaults, … }',
    details: { option: name },
  });
}

function noneOf(
  value: unknown,
  words: readonly string[],
  what: string,
  layer: ErrorLayer,
): CaissonError {
  const meant = typeof value === 'string' ? suggest(value, words) : undefined;
  return new CaissonError('REQUEST_INVALID', {
    layer,
    message: `${what} is ${typeof value === 'string' ? JSON.stringify(value.slice(0, 80)) : shown(value)}`,
    hint: meant === undefined ? `it is one of ${words.join(', ')}` : `did you mean ${meant}?`,
  });
}

function invalid(message: string, wanted: string, layer: ErrorLayer): CaissonError {
  return new CaissonError('REQUEST_INVALID', { layer, message, hint: `give ${wanted}` });
}

/** Of what kind it is, and not what it holds: that may be a secret. */
export function shown(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  const type = typeof value;
  if (type === 'number' || type === 'boolean' || type === 'bigint') return String(value);
  if (type === 'string') return 'a text';
  if (type !== 'object') return type === 'undefined' ? type : `a ${type}`;
  const tag = tagOf(value);
  return tag === 'Object' ? 'an object' : `${/^[AEIOU]/.test(tag) ? 'an' : 'a'} ${tag}`;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  return isObject(value) && tagOf(value) === 'Object';
}

function tagOf(value: unknown): string {
  return Object.prototype.toString.call(value).slice('[object '.length, -1);
}

function has(value: unknown, methods: readonly string[]): boolean {
  return isObject(value) && methods.every((name) => typeof value[name] === 'function');
}

function isContent(value: unknown): boolean {
  return typeof value === 'string' || value instanceof Uint8Array;
}

function isList(kind: Kind): kind is readonly string[] {
  return Array.isArray(kind);
}
