/** Compound commands: conditions and loops. */
import { bind, constant, name, operation, through } from '../syntax-lowering.ts';
import type { Expression, Statement } from '../tree.ts';
import type { ShellLowering } from './lowering.ts';
import { lowerInto, lowerStatements, lowerValue } from './statements.ts';
import { lowerWord, lowerWords } from './words.ts';

/** So many `elif` stand within each other; what follows stands behind, as if it had an `if` of its own. */
const NESTED_BRANCHES = 24;

interface Arm {
  readonly node: number;
  readonly conditions: readonly number[];
  readonly body: readonly number[];
}

export function lowerIf(state: ShellLowering, node: number): Statement[] {
  const { tree } = state;
  const arms: Arm[] = [armOf(state, node)];
  for (const child of tree.namedChildren(node)) {
    const type = tree.typeName(child);
    if (type === 'elif_clause') arms.push(armOf(state, child));
    else if (type === 'else_clause') {
      arms.push({ node: child, conditions: [], body: tree.namedChildren(child) });
    }
  }
  const lowered: Statement[] = [];
  for (let first = 0; first < arms.length; first += NESTED_BRANCHES) {
    let otherwise: Statement[] = [];
    for (const arm of arms.slice(first, first + NESTED_BRANCHES).reverse()) {
      otherwise = lowerArm(state, arm, otherwise);
    }
    lowered.push(...otherwise);
  }
  return lowered;
}

/** Its condition stands before `then`, or in a field. */
function armOf({ tree }: ShellLowering, node: number): Arm {
  const conditions: number[] = [];
  const body: number[] = [];
  let inBody = false;
  for (const child of tree.children(node)) {
    if (!tree.isNamed(child)) {
      inBody ||= tree.text(child) === 'then';
      continue;
    }
    const type = tree.typeName(child);
    if (type === 'elif_clause' || type === 'else_clause' || type === 'comment') continue;
    (inBody ? body : conditions).push(child);
  }
  return { node, conditions, body };
}

function lowerArm(state: ShellLowering, arm: Arm, otherwise: Statement[]): Statement[] {
  const { tree } = state;
  const then = lowerStatements(state, arm.body);
  const last = arm.conditions.at(-1);
  if (last === undefined) return then;
  const before = lowerStatements(state, arm.conditions.slice(0, -1));
  const test = testOf(state, last);
  const start = tree.start(arm.node);
  return [...before, { kind: 'branch', test, then, otherwise, start, end: tree.end(arm.node) }];
}

/** `a && b` is tested by what either does. */
function testOf(state: ShellLowering, node: number): Expression {
  const { tree } = state;
  const options: Expression[] = [];
  let at = node;
  while (tree.typeName(at) === 'list') {
    const [left, ...more] = tree.namedChildren(at);
    for (const right of more.reverse()) options.push(lowerValue(state, right));
    if (left === undefined) break;
    at = left;
  }
  const first = lowerValue(state, at);
  if (options.length === 0) return first;
  options.push(first);
  const start = tree.start(node);
  return { kind: 'choice', options: options.reverse(), start, end: tree.end(node) };
}

export function lowerWhile(state: ShellLowering, node: number): Statement {
  const { tree } = state;
  const start = tree.start(node);
  const end = tree.end(node);
  const conditions = tree.childrenIn(node, 'condition').filter((child) => tree.isNamed(child));
  const last = conditions.at(-1);
  const [keyword] = tree.children(node);
  const isUntil = keyword !== undefined && tree.text(keyword) === 'until';
  const before = lowerStatements(state, conditions.slice(0, -1));
  let test: Expression | undefined;
  if (last !== undefined && isRead(state, last)) {
    lowerInto(state, last, before);
    test = through('read', [], start, start);
  } else if (last !== undefined && !isEndless(tree.text(last), isUntil)) test = testOf(state, last);
  const body = [...before, ...lowerBody(state, node)];
  return { kind: 'loop', test, body, start, end };
}

const isEndless = (condition: string, isUntil: boolean): boolean =>
  (isUntil ? /^(false|! *true)$/ : /^(true|:|\[ *1 *\]|\(\( *1 *\)\)|! *false)$/).test(
    condition.trim(),
  );

function isRead({ tree, inputs }: ShellLowering, node: number): boolean {
  return inputs > 0 && tree.typeName(node) === 'command' && /^read\b/.test(tree.text(node));
}

function lowerBody(state: ShellLowering, node: number): Statement[] {
  const body = state.tree.child(node, 'body');
  return body < 0 ? [] : lowerStatements(state, [body]);
}

export function lowerFor(state: ShellLowering, node: number): Statement[] {
  const { tree } = state;
  const start = tree.start(node);
  const end = tree.end(node);
  const own = tree.child(node, 'variable');
  const values = tree.childrenIn(node, 'value').filter((child) => tree.isNamed(child));
  const at = own < 0 ? start : tree.start(own);
  const item = name(`$${own < 0 ? '' : tree.text(own)}`, at, own < 0 ? start : tree.end(own));
  const items = lowerWords(state, values);
  const over: Expression =
    items.length === 0 ? name('$@', start, start) : { kind: 'list', items, start, end };
  const body = lowerBody(state, node);
  return [
    bind('module', item, undefined, item.start, item.end),
    { kind: 'loop', item, over, body, start, end },
  ];
}

export function lowerForArithmetic(state: ShellLowering, node: number): Statement[] {
  const { tree } = state;
  const start = tree.start(node);
  const end = tree.end(node);
  const lowered = (field: string): Expression[] =>
    lowerWords(
      state,
      tree
        .childrenIn(node, field)
        .filter((child) => tree.isNamed(child) && tree.typeName(child) !== 'variable_assignment'),
    );
  const [test] = lowered('condition');
  const updates = lowered('update');
  const update = updates.length === 0 ? undefined : through('update', updates, start, end);
  const before = lowerStatements(
    state,
    tree.childrenIn(node, 'initializer').filter((child) => tree.isNamed(child)),
  );
  return [...before, { kind: 'loop', test, update, body: lowerBody(state, node), start, end }];
}

export function lowerCase(state: ShellLowering, node: number): Statement[] {
  const { tree } = state;
  const given = tree.child(node, 'value');
  const at = tree.start(node);
  const subject = given < 0 ? constant('', at, at) : lowerWord(state, given);
  return tree.namedChildren(node).flatMap((item, index): Statement[] => {
    if (tree.typeName(item) !== 'case_item') return [];
    const start = tree.start(item);
    const end = tree.end(item);
    const children = tree.namedChildren(item);
    const patterns = children.filter((child) => tree.field(child) === 'value');
    const body = children.filter((child) => tree.field(child) !== 'value');
    // What is tested is evaluated once.
    const of = index <= 1 ? [subject] : [];
    const test = operation('match', [...of, ...lowerWords(state, patterns)], start, end);
    const then = lowerStatements(state, body);
    return [{ kind: 'branch', test, then, otherwise: [], start, end }];
  });
}
