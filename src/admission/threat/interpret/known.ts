/** What the interpreter knows of values, of the objects they are, and of the variables that hold them. */
import type { Labels, Use, Value } from '../facts.ts';
import type { FunctionValue } from '../tree.ts';
import type { Scope } from './scope.ts';

/** Uses that a value tells it came from. */
const MOST_ORIGINS = 8;
/** Values that a variable is known to hold one of. */
const MOST_ALTERNATIVES = 4;
const MOST_SHOWN = 64;
export const NOTHING: readonly Use[] = [];
/** Copied, as lists that live long are made here without literals: see list-maker.ts. */
const NO_ARGUMENTS: readonly Known[] = [];

/** All fields in one order, so that every value has one hidden class. */
export class Known implements Value {
  readonly constant: Value['constant'];
  readonly path: string | undefined;
  readonly labels: Labels;
  readonly origins: readonly Use[];
  readonly hidden: Value['hidden'];
  readonly shape: Shape | undefined;
  readonly closure: Closure | undefined;
  readonly also: readonly Known[] | undefined;

  constructor(
    constant: Value['constant'],
    path: string | undefined,
    labels: Labels = 0,
    origins: readonly Use[] = NOTHING,
    hidden?: Value['hidden'],
    shape?: Shape,
    closure?: Closure,
    also?: readonly Known[],
  ) {
    this.constant = constant;
    this.path = path;
    this.labels = labels;
    this.origins = origins;
    this.hidden = hidden;
    this.shape = shape;
    this.closure = closure;
    this.also = also;
  }

  get items(): readonly Value[] | undefined {
    return this.shape?.list?.slice(0, MOST_SHOWN);
  }

  get entries(): ReadonlyMap<string, Value> | undefined {
    const cells = this.shape?.cells;
    if (cells === undefined) return undefined;
    const shown = new Map<string, Value>();
    for (const [key, { all }] of cells) {
      if (shown.size >= MOST_SHOWN) break;
      if (all !== undefined) shown.set(key, all);
    }
    return shown;
  }
}

export const UNKNOWN = new Known(undefined, undefined);

/** An object, a list or a class that stands in the source: one for each place, however often it is evaluated. */
export class Shape {
  cells: Map<string, Cell> | undefined;
  /** Of lists; absent where the order of items is not known any more. */
  list: Known[] | undefined;
  /** What may stand under any key: written by computed keys, spread, pushed in loops. */
  rest: Known | undefined;
  /** Joined of everything in it. */
  labels: Labels = 0;
  origins: readonly Use[] = NOTHING;
  parent: Known | undefined;
  isClass = false;
  /** Where it stands; for tables of texts. */
  readonly start: number;
  readonly end: number;

  constructor(start: number, end: number) {
    this.start = start;
    this.end = end;
  }

  add(value: Known): void {
    this.labels |= value.labels | (value.shape?.labels ?? 0);
    if (value.origins.length > 0) this.origins = mergeOrigins(this.origins, value.origins);
  }
}

/** A variable or a property. */
export class Cell {
  /** At this point of the function that it belongs to. */
  current: Known | undefined;
  /** Joined of all that was ever assigned. */
  all: Known | undefined;
  /** Who read it from elsewhere, and has to look again when it changes. */
  readers: Closure[] | undefined;
  readonly owner: Closure;
  readonly conditions: number;
  readonly loops: number;
  inLoop = false;
  accessor: 'get' | 'set' | undefined;
  /** Nothing in the program binds it. */
  isGlobal = false;

  constructor(owner: Closure, conditions: number, loops: number) {
    this.owner = owner;
    this.conditions = conditions;
    this.loops = loops;
  }
}

/** A function that stands in the source; the module itself is number 0. */
export class Closure {
  readonly node: FunctionValue;
  readonly number: number;
  /** What stands around it. */
  readonly parent: Closure | undefined;
  readonly scope: Scope;
  readonly args: (Known | undefined)[] = NO_ARGUMENTS.slice();
  /** Joined of the arguments beyond the parameters, and of all for `arguments`. */
  readonly returns: Cell;
  /** The function as a value. */
  readonly value: Known;
  self: Known | undefined;
  /** `F.prototype`, and what `new F` makes. */
  instance: Shape | undefined;
  statics: Shape | undefined;
  /** Its result is what it is called with: `resolve` of a promise. */
  sink: Cell | undefined;
  walks = 0;
  isWalking = false;
  isQueued = false;
  isExported = false;

  constructor(
    node: FunctionValue,
    number: number,
    parent: Closure | undefined,
    makeScope: (own: Closure) => Scope,
  ) {
    this.node = node;
    this.number = number;
    this.parent = parent;
    this.scope = makeScope(this);
    this.returns = new Cell(this, 0, 0);
    this.value = new Known(undefined, undefined, 0, NOTHING, undefined, undefined, this);
  }
}

export function ofConstant(constant: Value['constant']): Known {
  return new Known(constant, undefined);
}

export function withLabels(value: Known, labels: Labels, origins: readonly Use[]): Known {
  if ((value.labels | labels) === value.labels && origins.length === 0) return value;
  return new Known(
    value.constant,
    value.path,
    value.labels | labels,
    mergeOrigins(value.origins, origins),
    value.hidden,
    value.shape,
    value.closure,
    value.also,
  );
}

export function labelsOf(value: Known): Labels {
  return value.shape === undefined ? value.labels : value.labels | value.shape.labels;
}

export function originsOf(value: Known): readonly Use[] {
  return value.shape === undefined || value.shape.origins.length === 0
    ? value.origins
    : mergeOrigins(value.origins, value.shape.origins);
}

export function mergeOrigins(a: readonly Use[], b: readonly Use[]): readonly Use[] {
  if (b.length === 0 || a === b) return a;
  if (a.length === 0) return b;
  if (a.length >= MOST_ORIGINS) return a;
  let merged: Use[] | undefined;
  for (const use of b) {
    if (a.includes(use)) continue;
    merged ??= a.slice();
    if (merged.length >= MOST_ORIGINS) break;
    merged.push(use);
  }
  return merged ?? a;
}

/** Nothing is known of what it is. */
export function isBlank(value: Known): boolean {
  return (
    value.constant === undefined &&
    value.path === undefined &&
    value.shape === undefined &&
    value.closure === undefined
  );
}

function isSame(a: Known, b: Known): boolean {
  return (
    a.constant === b.constant && a.path === b.path && a.shape === b.shape && a.closure === b.closure
  );
}

/** Either of two. Returns `a` itself where `b` adds nothing. */
export function join(a: Known | undefined, b: Known | undefined): Known {
  if (a === undefined || a === b) return b ?? UNKNOWN;
  if (b === undefined) return a;
  const labels = a.labels | b.labels;
  const isNew = labels !== a.labels;
  const origins = isNew || a.origins.length === 0 ? mergeOrigins(a.origins, b.origins) : a.origins;
  if (isBlank(a) && !isBlank(b)) return withLabels(b, labels, origins);
  let also = addHead(a, a.also, b);
  if (b.also !== undefined) for (const head of b.also) also = addHead(a, also, head);
  if (!isNew && also === a.also && origins === a.origins) return a;
  return new Known(a.constant, a.path, labels, origins, a.hidden, a.shape, a.closure, also);
}

function addHead(
  first: Known,
  also: readonly Known[] | undefined,
  head: Known,
): readonly Known[] | undefined {
  if (isBlank(head) || isSame(first, head)) return also;
  if (also === undefined) return Array.of(alone(head));
  if (also.length >= MOST_ALTERNATIVES - 1 || also.some((other) => isSame(other, head)))
    return also;
  return also.concat(alone(head));
}

function alone(value: Known): Known {
  if (value.also === undefined) return value;
  return new Known(
    value.constant,
    value.path,
    value.labels,
    value.origins,
    value.hidden,
    value.shape,
    value.closure,
  );
}

export function headsOf(value: Known): readonly Known[] {
  return value.also === undefined ? [value] : [value, ...value.also];
}
