/**
 * Computes functions of the program exactly, where they need nothing from outside: decoders that shift and look up,
 * tables of texts that are rotated before they are used. What it computes with are texts, numbers and lists of its own;
 * whatever it does not know ends the attempt. Steps are bounded for each attempt and in all.
 */
import type { Value } from '../facts.ts';
import { callFunction } from './exact-machine.ts';
import {
  type Exact,
  ExactFunction,
  type ExactLanguage,
  Inexact,
  type Machine,
  Thrown,
} from './exact-values.ts';
import { type Cell, type Closure, Known, NOTHING, ofConstant, type Shape } from './known.ts';
import type { Run } from './run.ts';

const MOST_STEPS = 400_000;
const MOST_STEPS_IN_ALL = 3_000_000;
/** After so many attempts in vain a function is not tried again. */
const MOST_FAILURES = 3;
const MOST_REMEMBERED = 5000;
const MOST_ITEMS = 20_000;

/** What is computed with, of one run. */
export interface World {
  stepsLeft: number;
  readonly failures: Map<Closure, number>;
  readonly overlay: Map<Cell, Exact>;
  readonly lists: Map<Shape, Exact[]>;
  readonly remembered: Map<Closure, Map<string, Known>>;
  remembers: number;
  isBusy: boolean;
}

/** Undefined: it cannot be computed. */
export function compute(run: Run, closure: Closure, args: readonly Known[]): Known | undefined {
  if (args.length === 0 || args.length > 8 || run.dialect.exact === undefined) return undefined;
  for (const arg of args) if (!mayBeExact(arg)) return undefined;
  const world = worldOf(run);
  const failures = world.failures.get(closure) ?? 0;
  if (failures >= MOST_FAILURES || world.isBusy || world.stepsLeft <= 0) return undefined;
  const key = args.every(({ shape, closure: own }) => shape === undefined && own === undefined)
    ? args.map(({ constant }) => `${typeof constant}:${constant}`).join('\0')
    : undefined;
  const known = key === undefined ? undefined : world.remembered.get(closure)?.get(key);
  if (known !== undefined) return known;
  const allowed = Math.min(MOST_STEPS, world.stepsLeft);
  const machine = new RunMachine(run, run.dialect.exact, world, allowed);
  world.isBusy = true;
  try {
    const given = args.map((arg) => toExact(world, arg));
    const result = callFunction(
      machine,
      new ExactFunction(closure.node, undefined, closure.scope),
      given,
      undefined,
    );
    const value = fromExact(run, result, args);
    if (value === undefined) throw new Inexact();
    if (key !== undefined && world.remembers < MOST_REMEMBERED) {
      let own = world.remembered.get(closure);
      if (own === undefined) {
        own = new Map();
        world.remembered.set(closure, own);
      }
      own.set(key, value);
      world.remembers++;
    }
    return value;
  } catch (error) {
    if (!(error instanceof Inexact || error instanceof Thrown || error instanceof RangeError))
      throw error;
    world.failures.set(closure, failures + 1);
    return undefined;
  } finally {
    world.isBusy = false;
    world.stepsLeft -= allowed - machine.stepsLeft;
  }
}

/** A class for the reason that `Host` of calls.ts is one. */
class RunMachine implements Machine {
  readonly exact: ExactLanguage;
  readonly operate: Machine['operate'];
  stepsLeft: number;
  depth = 0;
  readonly #run: Run;
  readonly #world: World;

  constructor(run: Run, exact: ExactLanguage, world: World, stepsLeft: number) {
    this.exact = exact;
    this.operate = run.dialect.operate;
    this.stepsLeft = stepsLeft;
    this.#run = run;
    this.#world = world;
  }

  free(name: string, scope: Closure['scope']): Exact {
    return freeValue(this.#run, this.#world, name, scope);
  }

  assignFree(name: string, scope: Closure['scope'], value: Exact): void {
    const cell = scope.find(name);
    if (cell === undefined) throw new Inexact();
    this.#world.overlay.set(cell, value);
  }

  isLate(): boolean {
    return this.#run.isLate();
  }
}

function worldOf(run: Run): World {
  run.world ??= {
    stepsLeft: MOST_STEPS_IN_ALL,
    failures: new Map(),
    overlay: new Map(),
    lists: new Map(),
    remembered: new Map(),
    remembers: 0,
    isBusy: false,
  };
  return run.world;
}

function mayBeExact({ constant, closure, shape, also, path, labels }: Known): boolean {
  if (also !== undefined || labels !== 0 || path !== undefined) return false;
  return (
    constant !== undefined ||
    closure !== undefined ||
    (shape?.list !== undefined && shape.rest === undefined)
  );
}

function toExact(world: World, value: Known): Exact {
  if (!mayBeExact(value)) throw new Inexact();
  const { constant, closure, shape } = value;
  if (constant !== undefined) return constant;
  if (closure !== undefined) return new ExactFunction(closure.node, undefined, closure.scope);
  if (shape?.list === undefined || shape.list.length > MOST_ITEMS) throw new Inexact();
  let list = world.lists.get(shape);
  if (list === undefined) {
    list = [];
    // Told before its items are, so that a list within itself ends.
    world.lists.set(shape, list);
    for (const item of shape.list) list.push(toExact(world, item));
  }
  return list;
}

function freeValue(run: Run, world: World, name: string, scope: Closure['scope']): Exact {
  const cell = scope.find(name);
  if (cell === undefined) return { path: run.dialect.globalOf(name).path ?? '' };
  const changed = world.overlay.get(cell);
  if (changed !== undefined) return changed;
  const value = cell.all;
  if (value?.path !== undefined && value.also === undefined) return { path: value.path };
  if (value === undefined) throw new Inexact();
  return toExact(world, value);
}

function fromExact(run: Run, value: Exact, args: readonly Known[]): Known | undefined {
  let origins = NOTHING;
  for (const arg of args) if (origins.length === 0) origins = arg.origins;
  if (value === null || value === undefined)
    return value === null ? ofConstant(null) : new Known(undefined, undefined);
  if (Array.isArray(value)) {
    if (value.length > MOST_ITEMS) return undefined;
    const items: Known[] = [];
    for (const item of value) {
      if (typeof item === 'object' || typeof item === 'function') return undefined;
      items.push(ofConstant(item));
    }
    return run.listOf(items, 0, 0);
  }
  if (typeof value === 'object') return undefined;
  const hidden: Value['hidden'] = typeof value === 'string' ? 'computed' : undefined;
  return new Known(value, undefined, 0, origins, hidden);
}
