/** Functions and classes. */
import type { ESTree } from 'meriyah';
import type { Entry, Expression, FunctionValue, Pattern, Statement } from '../tree.ts';
import { lowerExpression } from './expressions.ts';
import { constant, type Lowering, name, spanOf } from './lowering.ts';
import { CallNode, FunctionNode, LeaveNode } from './nodes.ts';
import { keyOf, lowerPattern } from './patterns.ts';
import { lowerStatements } from './statements.ts';

type FunctionSyntax =
  | ESTree.FunctionDeclaration
  | ESTree.FunctionExpression
  | ESTree.ArrowFunctionExpression;

export function lowerFunction(state: Lowering, node: FunctionSyntax): FunctionValue {
  const { start, end } = spanOf(node);
  const { body } = node as { body?: ESTree.Node | null };
  const own = node.type === 'ArrowFunctionExpression' ? null : node.id;
  const parameters: Pattern[] = [];
  for (const parameter of node.params) parameters.push(lowerPattern(state, parameter));
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
  return [new LeaveNode('return', lowerExpression(state, body), undefined, start, end)];
}

/** A class with a name of its own, in an expression, is made in a function that binds the name. */
export function lowerClass(
  state: Lowering,
  node: ESTree.ClassExpression | ESTree.ClassDeclaration,
): Expression {
  const { start, end } = spanOf(node);
  const made: Expression = {
    kind: 'entries',
    entries: node.body.body.flatMap((item) => lowerClassItem(state, item as ESTree.Node)),
    isClass: true,
    parent: node.superClass ? lowerExpression(state, node.superClass) : undefined,
    start,
    end,
  };
  if (node.type === 'ClassDeclaration' || !node.id) return made;
  const own = name(node.id.name, start, start);
  const body: Statement[] = [
    { kind: 'bind', scope: 'block', target: own, value: made, start, end },
    { kind: 'leave', how: 'return', value: name(node.id.name, start, start), start, end },
  ];
  return called(body, start, end);
}

function lowerClassItem(state: Lowering, item: ESTree.Node): Entry[] {
  const { start, end } = spanOf(item);
  if (item.type === 'StaticBlock') {
    const key = constant('%static', start, start);
    return [{ key, value: called(lowerStatements(state, item.body), start, end) }];
  }
  if (item.type === 'MethodDefinition') {
    return [
      {
        key: keyOf(state, item.key as ESTree.Node, item.computed === true),
        value: lowerExpression(state, item.value),
        accessor: item.kind === 'get' || item.kind === 'set' ? item.kind : undefined,
      },
    ];
  }
  if (item.type === 'PropertyDefinition' || item.type === 'AccessorProperty') {
    const { key, value, computed } = item as ESTree.PropertyDefinition;
    if (!key) return [];
    return [
      {
        key: keyOf(state, key as ESTree.Node, computed === true),
        value: value ? lowerExpression(state, value) : constant(undefined, end, end),
      },
    ];
  }
  return [];
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
