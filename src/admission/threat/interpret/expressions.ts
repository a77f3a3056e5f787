/** What is known of the value of an expression. */
import type { Use } from '../facts.ts';
import type {
  Assignment,
  Choice,
  Entries,
  Expression,
  Joined,
  List,
  Member,
  Operation,
  Through,
} from '../tree.ts';
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
import { bindSelf, elementOf, keyOf, labelled, readMember } from './members.ts';
import { DEEPEST_WALK, type Run } from './run.ts';

const MOST_TEXT = 1_000_000;

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

function evaluateOperation(run: Run, node: Operation): Known {
  const operands: Known[] = [];
  for (const operand of node.operands) operands.push(evaluate(run, operand));
  return operate(run, node.operator, operands, node);
}

export function operate(
  run: Run,
  operator: string,
  operands: readonly Known[],
  node: Expression,
): Known {
  let labels = 0;
  let origins: readonly Use[] = NOTHING;
  let varying = -1;
  let isKnown = true;
  let hasShape = false;
  for (let i = 0; i < operands.length; i++) {
    const operand = operands[i] as Known;
    labels |= labelsOf(operand);
    const own = originsOf(operand);
    if (own.length > 0) origins = mergeOrigins(origins, own);
    if (operand.constant === undefined) isKnown = false;
    if (operand.shape !== undefined) hasShape = true;
    if (operand.also !== undefined && varying < 0) varying = i;
  }
  if (operator === '!' && operands[0]?.shape !== undefined && operands[0].also === undefined) {
    return new Known(false, undefined, labels, origins);
  }
  if (isKnown || hasShape) {
    const constant = run.dialect.operate(operator, operands.map(constantOf));
    if (constant !== undefined) {
      const isSplit = operator === '+' && typeof constant === 'string';
      const hidden = hiddenOf(operands) ?? (isSplit && operands.length > 1 ? 'split' : undefined);
      if (typeof constant === 'string' && constant.length > 64) run.spend(constant.length >> 6);
      if (hidden !== undefined && typeof constant === 'string') {
        run.recorder.folded(constant, node.start, node.end, hidden);
      }
      let folded = new Known(constant, undefined, labels, origins, hidden);
      for (const other of varying < 0 ? NOTHING_KNOWN : (operands[varying]?.also ?? [])) {
        const next = operands.map((operand, i) => constantOf(i === varying ? other : operand));
        const also = next.includes(undefined) ? undefined : run.dialect.operate(operator, next);
        if (also !== undefined)
          folded = join(folded, new Known(also, undefined, labels, origins, hidden));
      }
      return folded;
    }
  }
  return labelled(labels, origins);
}

const NOTHING_KNOWN: readonly Known[] = [];

/** Lists of constants are texts to operators, as `[] + []` is; others are not known. */
function constantOf(value: Known): Known['constant'] {
  const list = value.shape?.list;
  if (list === undefined || value.shape?.rest !== undefined || list.length > 10_000)
    return value.constant;
  if (list.some(({ constant }) => constant === undefined))
    return list.length === 0 ? '' : undefined;
  return list.map(({ constant }) => (constant === null ? '' : String(constant))).join(',');
}

export function hiddenOf(values: readonly Known[]): Known['hidden'] {
  for (const { hidden } of values) if (hidden !== undefined && hidden !== 'split') return hidden;
  for (const { hidden } of values) if (hidden !== undefined) return hidden;
  return undefined;
}

function evaluateJoined(run: Run, node: Joined): Known {
  const parts = node.parts.map((part) => evaluate(run, part));
  if (parts.length === 0) return ofConstant('');
  if (parts.length === 1 && typeof parts[0]?.constant === 'string') return parts[0];
  let labels = 0;
  let origins: readonly Use[] = NOTHING;
  let text: string | undefined = '';
  for (const part of parts) {
    labels |= labelsOf(part);
    origins = mergeOrigins(origins, originsOf(part));
    const constant = constantOf(part);
    text =
      constant === undefined || text === undefined || text.length > MOST_TEXT
        ? undefined
        : text + String(constant);
  }
  if (text === undefined) return labelled(labels, origins);
  run.recorder.folded(text, node.start, node.end, hiddenOf(parts) ?? 'split');
  return new Known(text, undefined, labels, origins, hiddenOf(parts) ?? 'split');
}

function evaluateList(run: Run, node: List): Known {
  const shape = run.shapeOf(node);
  const items: Known[] = [];
  let isOrdered = true;
  for (const item of node.items) {
    const isSpread = item.kind === 'through' && item.operator === '...';
    const value = evaluate(run, item);
    shape.add(value);
    if (!isSpread) {
      bindSelf(value, shape);
      items.push(value);
      continue;
    }
    const list = value.shape?.list;
    if (list !== undefined && value.shape?.rest === undefined && list.length < 10_000)
      items.push(...list);
    else if (typeof value.constant === 'string' && value.constant.length < 10_000) {
      for (const letter of value.constant) items.push(ofConstant(letter));
    } else {
      isOrdered = false;
      shape.rest = join(shape.rest, elementOf(value));
    }
  }
  if (!isOrdered) for (const item of items) shape.rest = join(shape.rest, item);
  // At a second walk the list keeps what was added to it.
  if (shape.list === undefined || shape.list.length <= items.length) shape.list = items;
  return new Known(undefined, undefined, 0, NOTHING, undefined, shape);
}

function evaluateEntries(run: Run, node: Entries): Known {
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
