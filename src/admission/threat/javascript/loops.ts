/** Loops. */
import type { ESTree } from 'meriyah';
import type { Expression, Pattern } from '../tree.ts';
import { lowerExpression } from './expressions.ts';
import { type Lowering, spanOf } from './lowering.ts';
import { lowerPattern } from './patterns.ts';
import { type BindNode, BlockNode, LoopNode } from './statement-nodes.ts';
import { lowerInto, lowerOne, lowerVariables } from './statements.ts';

/** Whether it is one. */
export function lowerLoop(state: Lowering, node: ESTree.Node): boolean {
  const { start, end } = spanOf(node);
  switch (node.type) {
    case 'WhileStatement':
    case 'DoWhileStatement':
      state.add(
        new LoopNode(
          { test: testOf(state, node.test), atLeastOnce: node.type === 'DoWhileStatement' },
          lowerOne(state, node.body),
          start,
          end,
        ),
      );
      return true;
    case 'ForStatement': {
      const from = state.begin();
      if (node.init) lowerInto(state, node.init as ESTree.Node);
      const test = node.test ? testOf(state, node.test) : undefined;
      const update = node.update ? lowerExpression(state, node.update) : undefined;
      state.add(new LoopNode({ test, update }, lowerOne(state, node.body), start, end));
      state.add(new BlockNode(state.take(from), start, end));
      return true;
    }
    case 'ForInStatement':
    case 'ForOfStatement': {
      const left = node.left as ESTree.Node;
      const from = state.begin();
      let item: Pattern;
      if (left.type === 'VariableDeclaration') {
        lowerVariables(state, left);
        item = (state.since<BindNode>(from)[0] as BindNode).target;
      } else item = lowerPattern(state, left);
      const over = lowerExpression(state, node.right);
      const keys = node.type === 'ForInStatement';
      state.add(new LoopNode({ item, over, keys }, lowerOne(state, node.body), start, end));
      state.add(new BlockNode(state.take(from), start, end));
      return true;
    }
    default:
      return false;
  }
}

/** None where it is true whatever happens: `while (true)`, `while (1)`, `while (!0)`. */
function testOf(state: Lowering, node: ESTree.Node): Expression | undefined {
  const isTrue = node.type === 'Literal' && !('regex' in node) && Boolean(node.value);
  const isNotFalse =
    node.type === 'UnaryExpression' &&
    node.operator === '!' &&
    node.argument.type === 'Literal' &&
    !node.argument.value;
  return isTrue || isNotFalse ? undefined : lowerExpression(state, node);
}
