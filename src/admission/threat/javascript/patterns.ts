/** What is bound or assigned to. */
import type { ESTree } from 'meriyah';
import type { Expression, Pattern } from '../tree.ts';
import { lowerExpression } from './expressions.ts';
import { constant, type Lowering, member, name, spanOf } from './lowering.ts';
import {
  DefaultPattern,
  EntriesPattern,
  EntryPattern,
  ListPattern,
  RestPattern,
} from './pattern-nodes.ts';

export function lowerPattern(state: Lowering, node: ESTree.Node): Pattern {
  const fits = state.enter();
  const lowered = fits ? lowerKind(state, node) : unlowered(state, node);
  state.depth--;
  return lowered;
}

function unlowered(state: Lowering, node: ESTree.Node): Pattern {
  const { start, end } = state.tooDeep(node);
  return name('', start, end);
}

function lowerKind(state: Lowering, node: ESTree.Node): Pattern {
  const { start, end } = spanOf(node);
  switch (node.type) {
    case 'Identifier':
      return name(node.name, start, end);
    case 'MemberExpression':
      return member(
        lowerExpression(state, node.object),
        keyOf(state, node.property, node.computed === true),
        start,
        end,
      );
    case 'ArrayPattern':
    case 'ArrayExpression': {
      const items = (node.elements as readonly (ESTree.Node | null)[]).map((item) =>
        item === null ? undefined : lowerPattern(state, item),
      );
      return new ListPattern(items, start, end);
    }
    case 'ObjectPattern':
    case 'ObjectExpression':
      return lowerEntriesPattern(state, node.properties, start, end);
    case 'AssignmentPattern':
    case 'AssignmentExpression':
      return new DefaultPattern(
        lowerPattern(state, node.left),
        lowerExpression(state, node.right as ESTree.Node),
        start,
        end,
      );
    case 'RestElement':
    case 'SpreadElement':
      return new RestPattern(lowerPattern(state, node.argument), start, end);
    default:
      // What stands here where a tolerant parser went on: it is evaluated, and bound to nothing.
      return member(lowerExpression(state, node), constant('', start, start), start, end);
  }
}

function lowerEntriesPattern(
  state: Lowering,
  properties: readonly ESTree.Node[],
  start: number,
  end: number,
): Pattern {
  const from = state.begin();
  let rest: Pattern | undefined;
  for (const property of properties) {
    if (property.type === 'Property') {
      const key = keyOf(state, property.key as ESTree.Node, property.computed === true);
      state.add(new EntryPattern(key, lowerPattern(state, property.value as ESTree.Node)));
    } else if (property.type === 'RestElement' || property.type === 'SpreadElement') {
      rest = lowerPattern(state, property.argument);
    }
  }
  return new EntriesPattern(state.take(from), rest, start, end);
}

/** A key that is written out is a constant text; numbers are, too: `a[0]` and `a['0']` are one. */
export function keyOf(state: Lowering, key: ESTree.Node, computed: boolean): Expression {
  const { start, end } = spanOf(key);
  if (!computed) {
    if (key.type === 'Identifier') return constant(key.name, start, end);
    if (key.type === 'PrivateIdentifier') return constant(`#${key.name}`, start, end);
    if (key.type === 'Literal') return constant(String(key.value), start, end);
  }
  return lowerExpression(state, key);
}
