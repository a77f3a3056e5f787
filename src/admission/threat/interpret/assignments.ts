/** Binding and assigning values to patterns, and what is exported by it. */

import { LABELS } from '../labels.ts';
import type { Member, Pattern } from '../tree.ts';
import { evaluate, evaluateKey } from './expressions.ts';
import { headsOf, join, Known, UNKNOWN } from './known.ts';
import { elementOf, keyOf, labelled, readMember, writeMember } from './members.ts';
import { shown } from './recorder.ts';
import type { Run } from './run.ts';

/** @param isDeclared the pattern declares its names: nothing else was in them before. */
export function assignPattern(run: Run, pattern: Pattern, value: Known): void {
  run.step();
  switch (pattern.kind) {
    case 'name': {
      const cell = run.resolve(pattern);
      const { isGlobal } = cell;
      if (isGlobal && !run.dialect.isBuiltin(pattern.name)) {
        cell.isGlobal = false;
        cell.all = undefined;
        cell.current = undefined;
      } else if (isGlobal) {
        const use = run.recorder.use(pattern, cell.all?.path ?? pattern.name, 'write');
        if (use !== undefined) use.args = Array.of(shown(value));
      }
      run.assign(cell, value);
      if (isGlobal && cell.all?.path === run.dialect.exports) exportValue(run, value, 0);
      return;
    }
    case 'member':
      assignMember(run, pattern, value);
      return;
    case 'list-pattern':
      for (const [i, item] of pattern.items.entries()) {
        if (item === undefined) continue;
        if (item.kind === 'rest-pattern') assignPattern(run, item, restOf(run, value, i, pattern));
        else assignPattern(run, item, itemOf(value, i));
      }
      return;
    case 'entries-pattern': {
      for (const { key, target } of pattern.entries) {
        const member = readMember(run, value, evaluateKey(run, key));
        recordRead(run, target, member);
        assignPattern(run, target, member);
      }
      if (pattern.rest !== undefined) assignPattern(run, pattern.rest, value);
      return;
    }
    case 'rest-pattern':
      assignPattern(run, pattern.target, value);
      return;
    case 'default-pattern':
      assignPattern(run, pattern.target, join(value, evaluate(run, pattern.value)));
  }
}

/** Members alone are read of what is assigned, each for itself. */
export function takesApart(pattern: Pattern): boolean {
  return pattern.kind === 'entries-pattern' && pattern.rest === undefined;
}

/** `const { X } = process.env` reads `process.env.X`. */
function recordRead(run: Run, at: Pattern, member: Known): void {
  const target = at.kind === 'default-pattern' ? at.target : at;
  if (target.kind === 'entries-pattern' || target.kind === 'list-pattern') return;
  for (const { path, origins } of headsOf(member)) {
    if (path === undefined || (path.startsWith('?') && run.effectOf(path) === undefined)) continue;
    const use = run.recorder.use(at, path, 'read');
    if (use !== undefined && origins.length === 0) use.within = run.closure.number;
  }
}

export function itemOf(value: Known, index: number): Known {
  const { shape } = value;
  const item = shape?.list?.[index];
  if (item !== undefined && value.also === undefined) {
    return shape?.rest === undefined ? item : join(item, shape.rest);
  }
  return elementOf(value);
}

function restOf(run: Run, value: Known, from: number, node: Pattern): Known {
  const list = value.shape?.list;
  if (list === undefined || value.also !== undefined) return value;
  return run.listOf(list.slice(from), node.start, node.end, value);
}

function assignMember(run: Run, pattern: Member, value: Known): void {
  const object = evaluate(run, pattern.object, true);
  const keyValue = evaluateKey(run, pattern.key);
  const key = keyOf(keyValue);
  const { exports } = run.dialect;
  const seen = shown(value);
  for (const { path, shape, closure } of headsOf(object)) {
    const member = run.member(path ?? '?', key).path;
    const isOwn = path === undefined && (shape !== undefined || closure !== undefined);
    const isTold = !isOwn || key === undefined || key === '__proto__' || key === 'prototype';
    if (isTold) {
      const use = run.recorder.use(pattern, member, 'write');
      if (use !== undefined) {
        use.args = key === undefined ? Array.of(seen, shown(keyValue)) : Array.of(seen);
        use.receiver = shown(object);
        use.within = run.closure.number;
        use.under = run.under;
        use.loops = run.loops;
        if (keyValue.hidden !== undefined) use.indirect = true;
      }
    }
    if (exports !== undefined && path !== undefined && member.startsWith(exports))
      exportValue(run, value, 0);
  }
  writeMember(run, object, key, value);
}

const CALLER = labelled(LABELS.caller, []);

/** Others call it: its parameters are their data. */
export function exportValue(run: Run, value: Known, depth: number): void {
  for (const { closure, shape } of headsOf(value)) {
    if (closure !== undefined && !closure.isExported) {
      closure.isExported = true;
      for (const i of closure.node.parameters.keys())
        closure.args[i] = join(closure.args[i], CALLER);
      if (closure.walks > 0) run.enqueue(closure);
    }
    if (closure?.instance !== undefined && depth < 3) {
      exportValue(
        run,
        new Known(undefined, undefined, 0, [], undefined, closure.instance),
        depth + 1,
      );
    }
    if (shape === undefined || depth >= 3) continue;
    for (const { all } of shape.cells?.values() ?? []) {
      if (all !== undefined && all !== UNKNOWN) exportValue(run, all, depth + 1);
    }
  }
}
