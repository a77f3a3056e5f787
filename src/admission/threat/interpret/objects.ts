/** Lists, objects and classes as they are written out. */
import type { Entries, List } from '../tree.ts';
import { evaluate, evaluateKey } from './expressions.ts';
import { join, Known, NOTHING, ofConstant } from './known.ts';
import { bindSelf, elementOf, keyOf } from './members.ts';
import type { Run } from './run.ts';

export function evaluateList(run: Run, node: List): Known {
  const shape = run.shapeOf(node);
  const { lists } = run;
  const from = lists.begin();
  let isOrdered = true;
  for (const item of node.items) {
    const isSpread = item.kind === 'through' && item.operator === '...';
    const value = evaluate(run, item);
    shape.add(value);
    if (!isSpread) {
      bindSelf(value, shape);
      lists.add(value);
      continue;
    }
    const list = value.shape?.list;
    if (list !== undefined && value.shape?.rest === undefined && list.length < 10_000)
      for (const one of list) lists.add(one);
    else if (typeof value.constant === 'string' && value.constant.length < 10_000) {
      for (const letter of value.constant) lists.add(ofConstant(letter));
    } else {
      isOrdered = false;
      shape.rest = join(shape.rest, elementOf(value));
    }
  }
  const items = lists.takeOwn<Known>(from);
  if (!isOrdered) for (const item of items) shape.rest = join(shape.rest, item);
  // At a second walk the list keeps what was added to it.
  if (shape.list === undefined || shape.list.length <= items.length) shape.list = items;
  return new Known(undefined, undefined, 0, NOTHING, undefined, shape);
}

export function evaluateEntries(run: Run, node: Entries): Known {
  const shape = run.shapeOf(node);
  shape.isClass = node.isClass === true;
  const made = new Known(undefined, undefined, 0, NOTHING, undefined, shape);
  if (node.parent !== undefined) shape.parent = evaluate(run, node.parent);
  shape.cells ??= new Map();
  for (const { key, value: expression, accessor } of node.entries) {
    const value = evaluate(run, expression);
    shape.add(value);
    if (key === undefined) {
      spreadInto(run, shape, value);
      continue;
    }
    const name = keyOf(evaluateKey(run, key));
    if (value.closure !== undefined) bindSelf(value, shape);
    if (name === undefined) {
      shape.rest = join(shape.rest, value);
      continue;
    }
    let cell = shape.cells.get(name);
    if (cell === undefined) {
      cell = run.newCell();
      shape.cells.set(name, cell);
    }
    cell.accessor = accessor;
    run.assign(cell, value);
  }
  return made;
}

function spreadInto(run: Run, shape: NonNullable<Known['shape']>, value: Known): void {
  const cells = value.shape?.cells;
  if (value.path !== undefined && shape.parent === undefined) shape.parent = value;
  if (cells === undefined || cells.size > 1000) {
    if (value.path !== undefined) return;
    shape.rest = join(shape.rest, elementOf(value));
    return;
  }
  shape.cells ??= new Map();
  for (const [key, { all }] of cells) {
    if (all === undefined) continue;
    let cell = shape.cells.get(key);
    if (cell === undefined) {
      cell = run.newCell();
      shape.cells.set(key, cell);
    }
    run.assign(cell, all);
  }
}
