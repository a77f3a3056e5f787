/**
 * A comprehension is a call of the method `%each` of what is gone through, with a function that gives a list for each
 * item, of one element or none: the lists one behind the other are its value.
 */
import { constant, member } from '../syntax-lowering.ts';
import type { Expression, Pattern, Statement } from '../tree.ts';
import { lowerExpression } from './expressions.ts';
import { Names, type PythonLowering } from './lowering.ts';
import { lowerPattern } from './patterns.ts';

/** No name that a program can write. */
export const EACH = '%each';

export function lowerComprehension(state: PythonLowering, node: number): Expression {
  const { tree } = state;
  const around = state.names;
  state.names = new Names();
  const body = tree.child(node, 'body');
  const element =
    body < 0 ? constant(undefined, tree.start(node), tree.end(node)) : elementOf(state, body);
  const { start, end } = element;
  let value: Expression = { kind: 'list', items: [element], start, end };
  let wrapped: Statement[] = [{ kind: 'leave', how: 'return', value, start, end }];
  const clauses = tree
    .namedChildren(node)
    .filter((child) => ['for_in_clause', 'if_clause'].includes(tree.typeName(child)));
  for (const clause of clauses.reverse()) {
    if (tree.typeName(clause) === 'if_clause') wrapped = onlyIf(state, clause, wrapped);
    else {
      value = each(state, clause, wrapped);
      wrapped = [{ kind: 'leave', how: 'return', value, start: value.start, end: value.end }];
    }
  }
  for (const text of state.names.inner) around.inner.add(text);
  state.names = around;
  return { ...value, start: tree.start(node), end: tree.end(node) };
}

function elementOf(state: PythonLowering, node: number): Expression {
  const { tree } = state;
  if (tree.typeName(node) !== 'pair') return lowerExpression(state, node);
  const items = ['key', 'value']
    .map((field) => tree.child(node, field))
    .filter((part) => part >= 0);
  return {
    kind: 'list',
    items: items.map((part) => lowerExpression(state, part)),
    start: tree.start(node),
    end: tree.end(node),
  };
}

function onlyIf(state: PythonLowering, clause: number, then: readonly Statement[]): Statement[] {
  const { tree } = state;
  const start = tree.start(clause);
  const end = tree.end(clause);
  const [node] = tree.namedChildren(clause);
  const test = node === undefined ? undefined : lowerExpression(state, node);
  const none: Expression = { kind: 'list', items: [], start, end };
  const otherwise: Statement[] = [{ kind: 'leave', how: 'return', value: none, start, end }];
  return [{ kind: 'branch', test, then, otherwise, start, end }];
}

function each(state: PythonLowering, clause: number, body: readonly Statement[]): Expression {
  const { tree } = state;
  const start = tree.start(clause);
  const end = tree.end(clause);
  const left = tree.child(clause, 'left');
  const overs = tree.childrenIn(clause, 'right').filter((child) => tree.isNamed(child));
  const [only, ...more] = overs.map((over) => lowerExpression(state, over));
  const item: Pattern | undefined = left < 0 ? undefined : lowerPattern(state, left);
  const over: Expression =
    only === undefined || more.length > 0
      ? { kind: 'list', items: only === undefined ? [] : [only, ...more], start, end }
      : only;
  const parameters = item === undefined ? [] : [item];
  const callee = member(over, constant(EACH, start, start), start, end);
  const made: Expression = { kind: 'function', parameters, body, arrow: true, start, end };
  return { kind: 'call', form: 'call', callee, args: [made], start, end };
}
