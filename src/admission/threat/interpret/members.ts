/** Reading and writing members of values. */
import type { Labels } from '../facts.ts';
import {
  Cell,
  headsOf,
  join,
  Known,
  labelsOf,
  mergeOrigins,
  NOTHING,
  originsOf,
  Shape,
  UNKNOWN,
  withLabels,
} from './known.ts';
import type { Named } from './named.ts';
import type { Run } from './run.ts';

const MOST_CELLS = 20_000;
const DEEPEST_PARENT = 16;

/** `object[key]`, of everything that `object` may be. */
export function readMember(run: Run, object: Known, key: Known): Known {
  if (object.also === undefined && key.also === undefined)
    return readHead(run, object, keyOf(key), key);
  let joined: Known | undefined;
  let rounds = 0;
  for (const head of headsOf(object)) {
    for (const one of headsOf(key)) {
      if (++rounds > 6) break;
      joined = join(joined, readHead(run, head, keyOf(one), one));
    }
  }
  const labels = labelsOf(object);
  return joined === undefined
    ? UNKNOWN
    : withLabels(joined, isOpaque(joined) ? labels : 0, NOTHING);
}

function isOpaque(value: Known): boolean {
  return value.path === undefined && value.constant === undefined;
}

export function keyOf(key: Known): string | undefined {
  const { constant } = key;
  if (typeof constant === 'string') return constant;
  if (typeof constant === 'number') return String(constant);
  return undefined;
}

function readHead(run: Run, object: Known, key: string | undefined, keyValue: Known): Known {
  const { shape, closure, path } = object;
  const own = run.dialect.propertyOf(object, key ?? '');
  if (own !== undefined && key !== undefined) return own;
  if (shape !== undefined) {
    const found = key === undefined ? anyOf(shape) : ownOf(run, shape, key, 0);
    if (found !== undefined) return found;
    if (path === undefined && shape.parent?.path === undefined) {
      // A method of all objects, or what was never seen to be written.
      const labels = labelsOf(object);
      return namedValue(run.member('?', key), labels, originsOf(object));
    }
  }
  if (closure !== undefined && path === undefined) {
    if (key === 'prototype') {
      closure.instance ??= new Shape(closure.node.start, closure.node.end);
      const made = new Known(undefined, undefined, 0, NOTHING, undefined, closure.instance);
      closure.self ??= made;
      return made;
    }
    if (key !== undefined && closure.statics !== undefined) {
      const found = ownOf(run, closure.statics, key, 0);
      if (found !== undefined) return found;
    }
    if (key === 'constructor') return run.member('?.constructor', key).value;
  }
  const from = path ?? parentPath(shape) ?? '?';
  const member = run.member(from, key);
  let { labels, origins } = object;
  const isComputed = key === undefined;
  if (isComputed && keyValue.origins.length > 0) origins = mergeOrigins(origins, keyValue.origins);
  const { effect } = member;
  if (effect?.onRead === true) labels |= effect.gives ?? 0;
  const value = namedValue(member, labels, origins, keyValue.hidden);
  if (run.written.size > 0 && path !== undefined) {
    const written = run.written.get(member.path);
    if (written?.all !== undefined) {
      run.watch(written);
      return join(written.all, value);
    }
  }
  return value;
}

/** A named thing with what it is made of. */
export function namedValue(
  { path, value }: Named,
  labels: Labels,
  origins: Known['origins'],
  hidden?: Known['hidden'],
): Known {
  if (labels === 0 && origins.length === 0 && hidden === undefined) return value;
  return new Known(undefined, path, labels, origins, hidden);
}

function parentPath(shape: Shape | undefined): string | undefined {
  const path = shape?.parent?.path;
  if (path === undefined) return undefined;
  return shape?.isClass === true ? `${path}()` : path;
}

function anyOf(shape: Shape): Known | undefined {
  let joined = shape.rest;
  let count = 0;
  for (const item of shape.list ?? []) {
    if (++count > 8) break;
    joined = join(joined, item);
  }
  for (const { all } of shape.cells?.values() ?? []) {
    if (++count > 8) break;
    if (all !== undefined) joined = join(joined, all);
  }
  return joined === undefined ? undefined : withLabels(joined, shape.labels, shape.origins);
}

function ownOf(run: Run, shape: Shape, key: string, depth: number): Known | undefined {
  const cell = shape.cells?.get(key);
  if (cell !== undefined) {
    const value = run.read(cell);
    if (cell.accessor === 'get') {
      const { closure } = value;
      if (closure !== undefined) {
        run.watch(closure.returns);
        return closure.returns.all ?? UNKNOWN;
      }
    }
    return shape.rest === undefined ? value : join(value, shape.rest);
  }
  if (shape.list !== undefined) {
    const index = Number(key);
    const item = Number.isInteger(index) ? shape.list[index] : undefined;
    if (item !== undefined) return shape.rest === undefined ? item : join(item, shape.rest);
  }
  const { parent } = shape;
  if (parent?.shape !== undefined && parent.shape !== shape && depth < DEEPEST_PARENT) {
    const found = ownOf(run, parent.shape, key, depth + 1);
    if (found !== undefined) return found;
  }
  return shape.rest;
}

/** Puts a value under a key of everything that `object` may be. */
export function writeMember(run: Run, object: Known, key: string | undefined, value: Known): void {
  for (const head of headsOf(object)) {
    const { shape, closure, path } = head;
    if (shape !== undefined) writeShape(run, shape, key, value);
    else if (closure !== undefined && key !== undefined) {
      if (key === 'prototype') {
        if (value.shape !== undefined) closure.instance = value.shape;
        ownMethods(value);
      } else {
        closure.statics ??= new Shape(closure.node.start, closure.node.end);
        writeShape(run, closure.statics, key, value);
      }
    } else if (path !== undefined && key !== undefined && !path.startsWith('?')) {
      const member = run.member(path, key).path;
      let cell = run.written.get(member);
      if (cell === undefined) {
        if (run.written.size >= MOST_CELLS) continue;
        cell = new Cell(run.main, 0, 0);
        run.written.set(member, cell);
      }
      run.assign(cell, value);
    }
  }
}

function writeShape(run: Run, shape: Shape, key: string | undefined, value: Known): void {
  shape.add(value);
  bindSelf(value, shape);
  if (shape.list !== undefined) {
    const index = key === undefined ? Number.NaN : Number(key);
    if (Number.isInteger(index) && index >= 0 && index <= shape.list.length && run.loops === 0) {
      shape.list[index] = value;
    } else shape.rest = join(shape.rest, value);
    return;
  }
  if (key === undefined || (shape.cells?.size ?? 0) >= MOST_CELLS) {
    shape.rest = join(shape.rest, value);
    return;
  }
  shape.cells ??= new Map();
  let cell = shape.cells.get(key);
  if (cell === undefined) {
    cell = run.newCell();
    shape.cells.set(key, cell);
  }
  run.assign(cell, value);
}

/** A function that stands in an object is called with it as `this`. */
export function bindSelf(value: Known, shape: Shape): void {
  const { closure } = value;
  if (closure === undefined || closure.node.arrow === true || closure.self !== undefined) return;
  closure.self = new Known(undefined, undefined, 0, NOTHING, undefined, shape);
}

function ownMethods(value: Known): void {
  const { shape } = value;
  for (const { all } of shape?.cells?.values() ?? []) {
    if (all !== undefined && shape !== undefined) bindSelf(all, shape);
  }
}

/** What stands in a value that is gone through: items of a list, else anything that is in it. */
export function elementOf(value: Known): Known {
  let joined: Known | undefined;
  for (const { shape, labels, origins, path } of headsOf(value)) {
    const any: Known | undefined = shape === undefined ? undefined : anyOf(shape);
    const item: Known =
      any ??
      new Known(undefined, path === undefined ? undefined : elementPath(path), labels, origins);
    joined = join(joined, withLabels(item, labels, origins));
  }
  return joined ?? UNKNOWN;
}

function elementPath(path: string): string | undefined {
  return path.startsWith('?') ? undefined : `${path}[]`;
}

export function labelled(labels: Labels, origins: Known['origins']): Known {
  return labels === 0 && origins.length === 0
    ? UNKNOWN
    : new Known(undefined, undefined, labels, origins);
}
