/** Expressions. A node that no case knows is passed through with what is beneath it. */
import type { ESTree } from 'meriyah';
import type { Expression, Statement } from '../tree.ts';
import { lowerClass, lowerFunction } from './functions.ts';
import { constant, type Lowering, member, name, spanOf } from './lowering.ts';
import {
  AssignmentNode,
  CallNode,
  ChoiceNode,
  EntriesNode,
  EntryNode,
  JoinedNode,
  ListNode,
  OperationNode,
  ThroughNode,
} from './nodes.ts';
import { keyOf, lowerPattern } from './patterns.ts';
import { EvaluateNode } from './statement-nodes.ts';

export function lowerExpression(state: Lowering, node: ESTree.Node): Expression {
  const fits = state.enter();
  const lowered = fits ? lowerKind(state, node) : state.tooDeep(node);
  state.depth--;
  return lowered;
}

function lowerKind(state: Lowering, node: ESTree.Node): Expression {
  const { start, end } = spanOf(node);
  switch (node.type) {
    case 'Identifier':
      return lowerName(state, node.name, start, end);
    case 'Literal':
      return lowerLiteral(state, node, start, end);
    case 'MemberExpression':
      return member(
        lowerExpression(state, node.object),
        keyOf(state, node.property, node.computed === true),
        start,
        end,
      );
    case 'CallExpression':
    case 'NewExpression':
      return new CallNode(
        node.type === 'NewExpression' ? 'new' : 'call',
        lowerExpression(state, node.callee),
        lowerAll(state, node.arguments),
        start,
        end,
      );
    case 'FunctionExpression':
    case 'ArrowFunctionExpression':
    case 'FunctionDeclaration':
      return lowerFunction(state, node);
    case 'ClassExpression':
    case 'ClassDeclaration':
      return lowerClass(state, node);
    case 'BinaryExpression':
      return lowerBinary(state, node, start, end);
    case 'LogicalExpression':
      return lowerLogical(state, node, start, end);
    case 'ConditionalExpression':
      return new ChoiceNode(
        lowerExpression(state, node.test),
        state.two(lowerExpression(state, node.consequent), lowerExpression(state, node.alternate)),
        start,
        end,
      );
    case 'UnaryExpression':
      return new OperationNode(
        node.operator,
        state.one(lowerExpression(state, node.argument)),
        start,
        end,
      );
    case 'UpdateExpression':
      return new AssignmentNode(
        lowerPattern(state, node.argument),
        constant(1, start, start),
        node.operator === '++' ? '+' : '-',
        !node.prefix,
        start,
        end,
      );
    case 'AssignmentExpression':
      return new AssignmentNode(
        lowerPattern(state, node.left),
        lowerExpression(state, node.right),
        node.operator === '=' ? undefined : node.operator.slice(0, -1),
        false,
        start,
        end,
      );
    case 'ObjectExpression':
      return lowerObject(state, node, start, end);
    case 'ArrayExpression':
      return new ListNode(lowerAll(state, node.elements), start, end);
    case 'SequenceExpression': {
      const of = lowerAll(state, node.expressions);
      return new ThroughNode(',', of, start, end);
    }
    case 'TemplateLiteral':
      return new JoinedNode(templateParts(state, node), start, end);
    case 'TaggedTemplateExpression': {
      const { quasis, expressions } = node.quasi;
      const texts = quasis.map(({ value }, i) => {
        const span = spanOf(quasis[i] as ESTree.Node);
        return constant(value.cooked ?? value.raw, span.start, span.end);
      });
      const list = new ListNode(texts, spanOf(node.quasi).start, end);
      const callee = lowerExpression(state, node.tag);
      return new CallNode('tag', callee, [list, ...lowerAll(state, expressions)], start, end);
    }
    case 'ThisExpression':
      return name('this', start, end);
    case 'Super':
      return name('super', start, end);
    case 'MetaProperty':
      return name(`${node.meta.name}.${node.property.name}`, start, end);
    case 'ImportExpression':
      return new CallNode(
        'call',
        name('import', start, start + 6),
        [lowerExpression(state, node.source)],
        start,
        end,
      );
    case 'AwaitExpression':
    case 'SpreadElement':
      return new ThroughNode(
        node.type === 'AwaitExpression' ? 'await' : '...',
        state.one(lowerExpression(state, node.argument)),
        start,
        end,
      );
    case 'YieldExpression': {
      const of = node.argument ? state.one(lowerExpression(state, node.argument)) : [];
      return new ThroughNode('yield', of, start, end);
    }
    case 'ChainExpression':
    case 'ParenthesizedExpression':
      return lowerExpression(state, node.expression);
    default:
      return lowerUnknown(state, node, start, end);
  }
}

export function lowerAll(
  state: Lowering,
  nodes: readonly (ESTree.Node | null)[],
): readonly Expression[] {
  const from = state.begin();
  for (const node of nodes) {
    state.add(node === null ? constant(undefined, 0, 0) : lowerExpression(state, node));
  }
  return state.take(from);
}

/** Objects that a name may be a member of, the inmost ones. */
const MOST_WITHS = 4;

/** Within `with (o)`, what is called `x` may be `o.x`. */
function lowerName(state: Lowering, text: string, start: number, end: number): Expression {
  const plain = name(text, start, end);
  if (state.withs.length === 0 || text.startsWith('%')) return plain;
  const members = state.withs
    .slice(-MOST_WITHS)
    .map((object) => member(name(object, start, end), constant(text, start, end), start, end));
  return new ChoiceNode(undefined, [plain, ...members], start, end);
}

function lowerLiteral(
  state: Lowering,
  node: ESTree.Literal,
  start: number,
  end: number,
): Expression {
  if ('regex' in node) {
    const { pattern, flags } = (node as ESTree.RegExpLiteral).regex;
    const of = state.two(constant(pattern, start, end), constant(flags, end, end));
    return new ThroughNode('regexp', of, start, end);
  }
  const { value } = node;
  const known =
    value === null ||
    typeof value === 'string' ||
    typeof value === 'number' ||
    typeof value === 'boolean' ||
    typeof value === 'bigint';
  return constant(known ? value : undefined, start, end);
}

/** `a + b + c …`, which stands to the left as deep as it is long, becomes one. */
function lowerBinary(
  state: Lowering,
  node: ESTree.BinaryExpression,
  start: number,
  end: number,
): Expression {
  const { operator } = node;
  const from = state.begin();
  state.add(lowerExpression(state, node.right));
  let left = node.left as ESTree.Node;
  while (operator === '+' && left.type === 'BinaryExpression' && left.operator === '+') {
    state.add(lowerExpression(state, left.right));
    left = left.left as ESTree.Node;
  }
  state.add(
    left.type === 'PrivateIdentifier'
      ? constant(`#${left.name}`, start, end)
      : lowerExpression(state, left),
  );
  return new OperationNode(operator, state.take<Expression>(from).reverse(), start, end);
}

function lowerLogical(
  state: Lowering,
  node: ESTree.LogicalExpression,
  start: number,
  end: number,
): Expression {
  const from = state.begin();
  state.add(lowerExpression(state, node.right));
  let { left } = node as { left: ESTree.Node };
  while (left.type === 'LogicalExpression' && left.operator === node.operator) {
    state.add(lowerExpression(state, left.right));
    left = left.left;
  }
  state.add(lowerExpression(state, left));
  return new ChoiceNode(undefined, state.take<Expression>(from).reverse(), start, end);
}

function lowerObject(
  state: Lowering,
  node: ESTree.ObjectExpression,
  start: number,
  end: number,
): Expression {
  const from = state.begin();
  for (const property of node.properties) {
    if (property.type !== 'Property') {
      const { argument } = property as unknown as ESTree.SpreadElement;
      state.add(new EntryNode(undefined, lowerExpression(state, argument), undefined));
      continue;
    }
    const key = keyOf(state, property.key as ESTree.Node, property.computed === true);
    const value = lowerExpression(state, property.value as ESTree.Node);
    state.add(new EntryNode(key, value, property.kind === 'init' ? undefined : property.kind));
  }
  return new EntriesNode(state.take(from), false, undefined, start, end);
}

function templateParts(state: Lowering, node: ESTree.TemplateLiteral): readonly Expression[] {
  const from = state.begin();
  node.quasis.forEach((quasi, i) => {
    const { start, end } = spanOf(quasi);
    const text = quasi.value.cooked ?? quasi.value.raw;
    if (text !== '') state.add(constant(text, start, end));
    const expression = node.expressions[i];
    if (expression !== undefined) state.add(lowerExpression(state, expression));
  });
  return state.take(from);
}

/** JSX, and what a newer grammar may bring: each node beneath is evaluated. */
function lowerUnknown(state: Lowering, node: ESTree.Node, start: number, end: number): Expression {
  const of: Expression[] = [];
  for (const value of Object.values(node as object)) {
    for (const child of Array.isArray(value) ? value : [value]) {
      const isNode = typeof child === 'object' && child !== null && typeof child.type === 'string';
      if (isNode) of.push(lowerExpression(state, child as ESTree.Node));
    }
  }
  return { kind: 'through', operator: node.type, of, start, end };
}

export function evaluate(expression: Expression): Statement {
  const { start, end } = expression;
  return new EvaluateNode(expression, start, end);
}
