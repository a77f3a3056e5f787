/** Functions and classes. */
import type { ESTree } from 'meriyah';
import type { Entry, Expression, FunctionValue, Pattern, Statement } from '../tree.ts';
import { lowerExpression } from './expressions.ts';
import { constant, type Lowering, name, spanOf } from './lowering.ts';
import { CallNode, EntriesNode, EntryNode, FunctionNode } from './nodes.ts';
import { keyOf, lowerPattern } from './patterns.ts';
import { BindNode, LeaveNode } from './statement-nodes.ts';
import { lowerStatements } from './statements.ts';

type FunctionSyntax =
  | ESTree.FunctionDeclaration
  | ESTree.FunctionExpression
  | ESTree.ArrowFunctionExpression;

export function lowerFunction(state: Lowering, node: FunctionSyntax): FunctionValue {
  const { start, end } = spanOf(node);
  const { body } = node as { body?: ESTree.Node | null };
  const own = node.type === 'ArrowFunctionExpression' ? null : node.id;
  const from = state.begin();
  for (const parameter of node.params) state.add(lowerPattern(state, parameter));
  const parameters = state.take<Pattern>(from);
  return new FunctionNode(
    own?.name,
    parameters,
    body === null || body === undefined ? [] : lowerBody(state, body),
    node.type === 'ArrowFunctionExpression',
    start,
    end,
  );
}

function lowerBody(state: Lowering, body: ESTree.Node): readonly Statement[] {
  if (body.type === 'BlockStatement') return lowerStatements(state, body.body);
  const { start, end } = spanOf(body);
  return state.one(new LeaveNode('return', lowerExpression(state, body), undefined, start, end));
}

/** A class with a name of its own, in an expression, is made in a function that binds the name. */
export function lowerClass(
  state: Lowering,
  node: ESTree.ClassExpression | ESTree.ClassDeclaration,
): Expression {
  const { start, end } = spanOf(node);
  const from = state.begin();
  for (const item of node.body.body) lowerClassItem(state, item as ESTree.Node);
  const entries = state.take<Entry>(from);
  const parent = node.superClass ? lowerExpression(state, node.superClass) : undefined;
  const made = new EntriesNode(entries, true, parent, start, end);
  if (node.type === 'ClassDeclaration' || !node.id) return made;
  const own = name(node.id.name, start, start);
  const body: Statement[] = [
    new BindNode('block', own, made, start, end),
    new LeaveNode('return', name(node.id.name, start, start), undefined, start, end),
  ];
  return called(body, start, end);
}

function lowerClassItem(state: Lowering, item: ESTree.Node): void {
  const { start, end } = spanOf(item);
  if (item.type === 'StaticBlock') {
    const key = constant('%static', start, start);
    const value = called(lowerStatements(state, item.body), start, end);
    state.add(new EntryNode(key, value, undefined));
  } else if (item.type === 'MethodDefinition') {
    const key = keyOf(state, item.key as ESTree.Node, item.computed === true);
    const value = lowerExpression(state, item.value);
    const accessor = item.kind === 'get' || item.kind === 'set' ? item.kind : undefined;
    state.add(new EntryNode(key, value, accessor));
  } else if (item.type === 'PropertyDefinition' || item.type === 'AccessorProperty') {
    const { key, value, computed } = item as ESTree.PropertyDefinition;
    if (!key) return;
    const own = keyOf(state, key as ESTree.Node, computed === true);
    const given = value ? lowerExpression(state, value) : constant(undefined, end, end);
    state.add(new EntryNode(own, given, undefined));
  }
}

/** A function that is called where it stands. */
function called(body: readonly Statement[], start: number, end: number): Expression {
  return new CallNode(
    'call',
    new FunctionNode(undefined, [], body, true, start, end),
    [],
    start,
    end,
  );
}
