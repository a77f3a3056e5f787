/** The state of one interpretation: where it stands, its limits, what waits to be walked. */
import type { Effect, Effects, Use } from '../facts.ts';
import { ListMaker } from '../list-maker.ts';
import type { Entries, FunctionValue, List, Name } from '../tree.ts';
import type { World } from './compute.ts';
import type { Dialect, DialectHost } from './dialect.ts';
import { Cell, Closure, join, Known, NOTHING, Shape, UNKNOWN } from './known.ts';
import { type Named, type Names, namesOf } from './named.ts';
import type { Recorder } from './recorder.ts';
import { Scope } from './scope.ts';

/** Nested evaluations, over calls. Beyond, functions that are called are walked later. */
export const DEEPEST_CALL = 300;
/** Nested evaluations beyond which nothing is looked at. */
export const DEEPEST_WALK = 900;
const LOOK_AT_CLOCK = 1023;
/**
 * How much more is known: 0: nothing that whoever read it has to look at again (a number, a truth value, something of
 * which nothing is known), 1: another text or another thing, 2: other labels.
 */
export function gainOf(before: Known | undefined, after: Known, value: Known): 0 | 1 | 2 {
  if ((before?.labels ?? 0) !== after.labels) return 2;
  if (value.path !== undefined || value.shape !== undefined || value.closure !== undefined)
    return 1;
  return typeof value.constant === 'string' ? 1 : 0;
}

/** Thrown through the walk when a limit is met, and caught where it began. */
export class Stopped {
  readonly by: 'time' | 'steps';
  constructor(by: 'time' | 'steps') {
    this.by = by;
  }
}

export class Run {
  readonly dialect: Dialect;
  readonly recorder: Recorder;
  readonly root: Scope;
  readonly main: Closure;
  /** The function that is being walked. */
  closure: Closure;
  scope: Scope;
  conditions = 0;
  loops = 0;
  /** Uses that the tests around were made of. */
  under: readonly Use[] | undefined;
  depth = 0;
  isTooDeep = false;
  /** Statements that leave, `await` and timers seen; loops take the difference. */
  exits = 0;
  breakables = 0;
  /** Branches, loops and choices. */
  decisions = 0;
  readonly queue: Closure[] = [];
  /** Functions seen, the module itself among them. */
  closures = 1;
  readonly blocks = new Map<object, Scope>();
  readonly lists = new ListMaker();
  /** What was assigned to members of named things. */
  readonly written = new Map<string, Cell>();
  /**
   * Made when they are asked for. They stand here and in no WeakMap beside: a young collection takes values of old
   * tables for alive, so that each whole analysis would outlive its end.
   */
  host: DialectHost | undefined;
  world: World | undefined;
  readonly #names: Names;
  readonly #deadline: number;
  #stepsLeft: number;

  constructor(
    dialect: Dialect,
    effects: Effects,
    recorder: Recorder,
    body: FunctionValue,
    limits: { readonly deadline: number; readonly steps: number },
  ) {
    this.dialect = dialect;
    this.#names = namesOf(effects, dialect);
    this.recorder = recorder;
    this.#deadline = limits.deadline;
    this.#stepsLeft = limits.steps;
    this.main = new Closure(body, 0, undefined, (own) => new Scope(undefined, own, 0, 0));
    this.closure = this.main;
    this.root = this.main.scope;
    this.scope = this.root;
  }

  step(): void {
    const left = --this.#stepsLeft;
    if ((left & LOOK_AT_CLOCK) !== 0) return;
    if (left <= 0) throw new Stopped('steps');
    if (performance.now() > this.#deadline) throw new Stopped('time');
  }

  /** Work that is done at once, such as on a long list. */
  spend(steps: number): void {
    const before = this.#stepsLeft;
    this.#stepsLeft -= steps;
    if (this.#stepsLeft <= 0) throw new Stopped('steps');
    if ((before ^ this.#stepsLeft) > LOOK_AT_CLOCK && performance.now() > this.#deadline) {
      throw new Stopped('time');
    }
  }

  isLate(): boolean {
    return performance.now() > this.#deadline;
  }

  named(path: string): Named {
    return this.#names.of(path);
  }

  effectOf(path: string): Effect | undefined {
    return this.#names.of(path).effect;
  }

  /** `path.key`; undefined key: it is not known; `()`: what a call of it gives. */
  member(path: string, key: string | undefined): Named {
    return this.#names.member(path, key);
  }

  /** The cell of a variable; of the outermost scope where nothing binds it. */
  resolve(name: Name): Cell {
    if (name.binding !== undefined) return name.binding as Cell;
    let cell = this.scope.find(name.name);
    if (cell === undefined) {
      cell = this.root.declare(name.name);
      cell.all = this.dialect.globalOf(name.name);
      cell.current = cell.all;
      cell.isGlobal = true;
    }
    name.binding = cell;
    return cell;
  }

  read(cell: Cell): Known {
    if (cell.owner === this.closure && !(cell.inLoop && this.loops > cell.loops)) {
      return cell.current ?? cell.all ?? UNKNOWN;
    }
    this.watch(cell);
    return cell.all ?? UNKNOWN;
  }

  watch(cell: Cell): void {
    if (cell.readers === undefined) cell.readers = Array.of(this.closure);
    else if (!cell.readers.includes(this.closure) && cell.readers.length < 64) {
      cell.readers.push(this.closure);
    }
  }

  assign(cell: Cell, value: Known): void {
    const isOwn = cell.owner === this.closure;
    if (isOwn && this.conditions <= cell.conditions && this.loops <= cell.loops) {
      cell.current = value;
    } else cell.current = join(cell.current, value);
    if (this.loops > cell.loops) cell.inLoop = true;
    const before = cell.all;
    const all = join(before, value);
    if (all === before) return;
    cell.all = all;
    const gain = gainOf(before, all, value);
    if (gain > 0) this.changed(cell, gain);
  }

  changed(cell: Cell, gain: number): void {
    if (cell.readers === undefined) return;
    for (const reader of cell.readers) this.enqueue(reader, gain);
    cell.readers = undefined;
  }

  /** A function is walked once, twice where it has to do with other things, three times where these have other labels. */
  enqueue(closure: Closure, gain = 2): void {
    if (closure.isQueued || closure.walks > gain) return;
    closure.isQueued = true;
    this.queue.push(closure);
  }

  closureOf(node: FunctionValue): Closure {
    let closure = node.closure as Closure | undefined;
    if (closure === undefined) {
      const around = this.scope;
      closure = new Closure(
        node,
        this.closures++,
        this.closure,
        (own) => new Scope(around, own, 0, 0),
      );
      node.closure = closure;
      this.enqueue(closure);
    }
    return closure;
  }

  shapeOf(node: List | Entries): Shape {
    node.shape ??= new Shape(node.start, node.end);
    return node.shape as Shape;
  }

  newCell(): Cell {
    return new Cell(this.closure, this.conditions, this.loops);
  }

  listOf(items: readonly Known[], start: number, end: number, like?: Known): Known {
    const shape = new Shape(start, end);
    shape.list = items.slice();
    for (const item of items) shape.add(item);
    if (like === undefined) return new Known(undefined, undefined, 0, NOTHING, undefined, shape);
    return new Known(undefined, undefined, like.labels, like.origins, like.hidden, shape);
  }
}
