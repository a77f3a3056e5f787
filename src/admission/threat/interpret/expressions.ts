/** What is known of the value of an expression. */
import type { Use } from '../facts.ts';
import type { Assignment, Choice, Expression, Member, Through } from '../tree.ts';
import { assignPattern, takesApart } from './assignments.ts';
import { evaluateCall } from './calls.ts';
import {
  type Closure,
  join,
  Known,
  labelsOf,
  mergeOrigins,
  NOTHING,
  ofConstant,
  originsOf,
  UNKNOWN,
  withLabels,
} from './known.ts';
import { keyOf, labelled, readMember } from './members.ts';
import { evaluateEntries, evaluateList } from './objects.ts';
import { evaluateJoined, evaluateOperation, operate } from './operations.ts';
import { DEEPEST_WALK, type Run } from './run.ts';

/** @param isPassed it is called, or a member of it is read: reading it is no use of its own. */
export function evaluate(run: Run, node: Expression, isPassed = false): Known {
  run.step();
  if (run.depth >= DEEPEST_WALK) {
    run.isTooDeep = true;
    return UNKNOWN;
  }
  run.depth++;
  const value = evaluateKind(run, node, isPassed);
  run.depth--;
  return value;
}

function evaluateKind(run: Run, node: Expression, isPassed: boolean): Known {
  switch (node.kind) {
    case 'constant': {
      const { value } = node;
      if (value === undefined) return UNKNOWN;
      if (typeof value === 'string' && run.closure.walks === 1) {
        run.recorder.text(value, node.start, node.end);
      }
      node.known ??= ofConstant(value);
      return node.known as Known;
    }
    case 'name': {
      if (node.name === 'this') return selfOf(run);
      if (node.name === 'arguments') return argumentsOf(run, node);
      const cell = run.resolve(node);
      const value = run.written.size === 0 ? run.read(cell) : readGlobal(run, run.read(cell));
      if (!isPassed && value.path !== undefined && value.path !== '?')
        recordRead(run, node, value, cell.owner !== run.main || cell.all?.path !== value.path);
      return value;
    }
    case 'member':
      return evaluateMember(run, node, isPassed);
    case 'call':
      return evaluateCall(run, node);
    case 'function':
      return run.closureOf(node).value;
    case 'operation':
      return evaluateOperation(run, node);
    case 'joined':
      return evaluateJoined(run, node);
    case 'list':
      return evaluateList(run, node);
    case 'entries':
      return evaluateEntries(run, node);
    case 'choice':
      return evaluateChoice(run, node);
    case 'assignment':
      return evaluateAssignment(run, node);
    case 'through':
      return evaluateThrough(run, node);
  }
}

/** A property that the program gave to the global object is a variable everywhere. */
function readGlobal(run: Run, value: Known): Known {
  const written = value.path === undefined ? undefined : run.written.get(value.path);
  if (written?.all === undefined) return value;
  run.watch(written);
  return join(written.all, value);
}

/** A key that is written out is no text of the program's. */
export function evaluateKey(run: Run, key: Expression): Known {
  if (key.kind !== 'constant' || key.value === undefined) return evaluate(run, key);
  key.known ??= ofConstant(key.value);
  return key.known as Known;
}

function evaluateMember(run: Run, node: Member, isPassed: boolean): Known {
  const object = evaluate(run, node.object, true);
  const key = evaluateKey(run, node.key);
  const value = readMember(run, object, key);
  if (!isPassed && value.path !== undefined) {
    recordRead(run, node, value, node.key.kind !== 'constant' && keyOf(key) !== undefined);
  }
  if (keyOf(key) === undefined) tellTable(run, object);
  return value;
}

function tellTable(run: Run, { shape }: Known): void {
  const list = shape?.list;
  if (shape === undefined || list === undefined || list.length < 10 || run.closure.number === 0)
    return;
  for (let i = 0; i < 10; i++) if (typeof list[i]?.constant !== 'string') return;
  run.recorder.table(shape.start, shape.end, list.length);
}

/** Reading a named thing; of members of what is not known, those that something is known of. */
function recordRead(run: Run, node: Expression, value: Known, isIndirect: boolean): void {
  recordHead(run, node, value, isIndirect);
  if (value.also === undefined) return;
  for (const head of value.also) recordHead(run, node, head, isIndirect);
}

function recordHead(
  run: Run,
  node: Expression,
  { path, hidden }: Known,
  isIndirect: boolean,
): void {
  if (path === undefined || path === 'global.undefined') return;
  if (path.charCodeAt(path.length - 1) === 41) return;
  const isUnknown = path.charCodeAt(0) === 63;
  if (isUnknown && run.effectOf(path) === undefined && !path.includes('constructor')) return;
  const use = run.recorder.use(node, path, 'read');
  if (use === undefined) return;
  use.within = run.closure.number;
  use.under = run.under;
  use.loops = run.loops;
  if (isIndirect || hidden !== undefined) use.indirect = true;
}

function selfOf(run: Run): Known {
  let closure: Closure | undefined = run.closure;
  while (closure?.node.arrow === true) closure = closure.parent;
  if (closure === undefined || closure === run.main) return run.dialect.self ?? UNKNOWN;
  return closure.self ?? UNKNOWN;
}

function argumentsOf(run: Run, node: Expression): Known {
  const own = run.scope.find('arguments');
  if (own !== undefined) return run.read(own);
  let closure: Closure | undefined = run.closure;
  while (closure?.node.arrow === true) closure = closure.parent;
  const args = closure?.args ?? [];
  return run.listOf(
    args.map((value) => value ?? UNKNOWN),
    node.start,
    node.end,
  );
}

function evaluateChoice(run: Run, node: Choice): Known {
  const { test, options } = node;
  let tested = test === undefined ? undefined : evaluate(run, test);
  let joined: Known | undefined;
  const around = run.under;
  if (run.closure.walks === 1) run.decisions += options.length - 1;
  for (let i = 0; i < options.length; i++) {
    const isConditional = test !== undefined || i > 0;
    if (isConditional) {
      run.conditions++;
      if (tested !== undefined) run.under = underOf(around, tested);
    }
    const value = evaluate(run, options[i] as Expression);
    if (isConditional) run.conditions--;
    if (i === 0 && test === undefined) tested = value;
    joined = join(joined, value);
  }
  run.under = around;
  return joined ?? UNKNOWN;
}

export function underOf(
  around: readonly Use[] | undefined,
  test: Known,
): readonly Use[] | undefined {
  const origins = originsOf(test);
  if (origins.length === 0) return around;
  return around === undefined ? origins : mergeOrigins(around, origins);
}

function evaluateAssignment(run: Run, node: Assignment): Known {
  const value = evaluate(run, node.value, node.operator === undefined && takesApart(node.target));
  if (node.operator === undefined) {
    assignPattern(run, node.target, value);
    return value;
  }
  const { target } = node;
  const before =
    target.kind === 'name' || target.kind === 'member' ? evaluate(run, target, true) : UNKNOWN;
  const isLogical = node.operator === '||' || node.operator === '&&' || node.operator === '??';
  let after: Known;
  if (isLogical) after = join(before, value);
  else if (run.loops > 0 && node.operator === '+') {
    // In a loop its length is not known: what it is made of is.
    const labels = labelsOf(before) | labelsOf(value);
    after = labelled(labels, mergeOrigins(originsOf(before), originsOf(value)));
    if (target.kind === 'name') {
      const cell = run.resolve(target);
      const before = cell.all?.labels ?? 0;
      cell.current = after;
      cell.all = labelled(
        after.labels | before,
        mergeOrigins(cell.all?.origins ?? NOTHING, after.origins),
      );
      cell.inLoop ||= run.loops > cell.loops;
      if (cell.all.labels !== before) run.changed(cell, 2);
      return after;
    }
  } else after = operate(run, node.operator, [before, value], node);
  assignPattern(run, target, after);
  return node.postfix === true ? before : after;
}

function evaluateThrough(run: Run, node: Through): Known {
  const { operator, of } = node;
  if (operator === 'regexp') {
    const parts = of.map((part) => (part.kind === 'constant' ? ofConstant(part.value) : UNKNOWN));
    return new Known(
      undefined,
      'regexp',
      0,
      NOTHING,
      undefined,
      run.listOf(parts, node.start, node.end).shape,
    );
  }
  if (operator === 'await') run.exits++;
  let last = UNKNOWN;
  for (const part of of)
    last = evaluate(run, part, operator === ',' && part !== of.at(-1) ? false : operator !== ',');
  if (operator === 'too-deep') run.isTooDeep = true;
  if (operator === 'yield') run.assign(run.closure.returns, last);
  if (operator === ',' || of.length === 1) return last;
  let labels = 0;
  for (const part of of.length > 8 ? [] : of) labels |= part === of.at(-1) ? labelsOf(last) : 0;
  return withLabels(last, labels, NOTHING);
}
