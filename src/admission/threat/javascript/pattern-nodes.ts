/** Patterns, as classes for the reason that nodes.ts gives. */
import type { Expression, Pattern } from '../tree.ts';

type Of<Kind extends Pattern['kind']> = Pattern & { readonly kind: Kind };

export class ListPattern implements Of<'list-pattern'> {
  readonly kind = 'list-pattern';
  readonly start: number;
  readonly end: number;
  readonly items: readonly (Pattern | undefined)[];

  constructor(items: readonly (Pattern | undefined)[], start: number, end: number) {
    this.start = start;
    this.end = end;
    this.items = items;
  }
}

export class EntryPattern {
  readonly key: Expression;
  readonly target: Pattern;

  constructor(key: Expression, target: Pattern) {
    this.key = key;
    this.target = target;
  }
}

export class EntriesPattern implements Of<'entries-pattern'> {
  readonly kind = 'entries-pattern';
  readonly start: number;
  readonly end: number;
  readonly entries: readonly EntryPattern[];
  readonly rest: Pattern | undefined;

  constructor(
    entries: readonly EntryPattern[],
    rest: Pattern | undefined,
    start: number,
    end: number,
  ) {
    this.start = start;
    this.end = end;
    this.entries = entries;
    this.rest = rest;
  }
}

export class RestPattern implements Of<'rest-pattern'> {
  readonly kind = 'rest-pattern';
  readonly start: number;
  readonly end: number;
  readonly target: Pattern;
  use: object | undefined = undefined;

  constructor(target: Pattern, start: number, end: number) {
    this.start = start;
    this.end = end;
    this.target = target;
  }
}

export class DefaultPattern implements Of<'default-pattern'> {
  readonly kind = 'default-pattern';
  readonly start: number;
  readonly end: number;
  readonly target: Pattern;
  readonly value: Expression;
  use: object | undefined = undefined;

  constructor(target: Pattern, value: Expression, start: number, end: number) {
    this.start = start;
    this.end = end;
    this.target = target;
    this.value = value;
  }
}
