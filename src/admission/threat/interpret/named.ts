/**
 * Named things by their paths, with what is known of each. Kept from one analysis to the next, since most programs use
 * the same names.
 */
import type { Effect, Effects } from '../facts.ts';
import type { Dialect } from './dialect.ts';
import { Known } from './known.ts';

/** Longer ones name nothing that catalogues know. */
const LONGEST_PATH = 160;
const LONGEST_KEY = 100;
/** Beyond, the next analysis begins anew. */
const MOST_KEPT = 50_000;

export class Named {
  readonly path: string;
  readonly effect: Effect | undefined;
  /** It, of which nothing else is known. */
  readonly value: Known;
  readonly members = new Map<string, Named>();

  constructor(path: string, effect: Effect | undefined) {
    this.path = path;
    this.effect = effect;
    this.value = new Known(undefined, path);
  }
}

export class Names {
  readonly #effects: Effects;
  readonly #dialect: Dialect;
  readonly #known = new Map<string, Named>();

  constructor(effects: Effects, dialect: Dialect) {
    this.#effects = effects;
    this.#dialect = dialect;
  }

  get isFull(): boolean {
    return this.#known.size > MOST_KEPT;
  }

  of(path: string): Named {
    let named = this.#known.get(path);
    if (named === undefined) {
      named = new Named(path, this.#effects(path));
      this.#known.set(path, named);
    }
    return named;
  }

  /** `path.key`; undefined key: it is not known; `()`: what a call of it gives. */
  member(path: string, key: string | undefined): Named {
    if (path.length > LONGEST_PATH || (key !== undefined && key.length > LONGEST_KEY)) {
      const isNone = key === '()' || key === undefined || key.length > LONGEST_KEY;
      return this.of(isNone ? '?[]' : `?.${key}`);
    }
    const own = key ?? '[]';
    const { members } = this.of(path);
    let member = members.get(own);
    if (member === undefined) {
      member = this.of(own === '()' ? `${path}()` : this.#dialect.memberOf(path, key));
      members.set(apart(own, member.path), member);
    }
    return member;
  }
}

/** A key may be a part of the source, all of which it would keep alive: the same part of the path is taken instead. */
function apart(key: string, path: string): string {
  return path.endsWith(key) ? path.slice(path.length - key.length) : key;
}

const kept = new WeakMap<Effects, Names>();

export function namesOf(effects: Effects, dialect: Dialect): Names {
  let names = kept.get(effects);
  if (names === undefined || names.isFull) {
    names = new Names(effects, dialect);
    kept.set(effects, names);
  }
  return names;
}
