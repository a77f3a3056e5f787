/** Expressions of Python. */
import { constant, isError, member, name, operation, through } from '../syntax-lowering.ts';
import type { Expression } from '../tree.ts';
import { lowerCall } from './calls.ts';
import { lowerComprehension } from './comprehensions.ts';
import { Names, type PythonLowering } from './lowering.ts';
import { lowerParameters } from './patterns.ts';
import { lowerNumber, lowerText, lowerTexts } from './texts.ts';

/** Methods that no program can name: what `s[a:b:c]` and `s % t` call. */
export const SLICE = '%slice';
export const FORMAT = '%format';

export function lowerExpression(state: PythonLowering, node: number): Expression {
  return state.within(
    node,
    (inner) => lowerKind(state, inner),
    (cut) => cut,
  );
}

/** Comments can stand among any nodes. */
export function lowerAll(state: PythonLowering, nodes: readonly number[]): Expression[] {
  return nodes
    .filter((node) => state.tree.typeName(node) !== 'comment')
    .map((node) => lowerExpression(state, node));
}

/** Python takes names for what they are in NFKC, whatever letters look like: `ｅｘｅｃ` is `exec`. */
const identifier = (text: string): string => (ASCII.test(text) ? text : text.normalize('NFKC'));

const ASCII = /^\w*$/;

function lowerKind(state: PythonLowering, node: number): Expression {
  const { tree } = state;
  const start = tree.start(node);
  const end = tree.end(node);
  switch (tree.typeName(node)) {
    case 'identifier':
      return name(identifier(tree.text(node)), start, end);
    case 'string':
      return lowerText(state, node, lowerExpression);
    case 'concatenated_string':
      return lowerTexts(state, node, lowerExpression);
    case 'integer':
    case 'float':
      return lowerNumber(tree.text(node), start, end);
    case 'true':
      return constant(true, start, end);
    case 'false':
      return constant(false, start, end);
    case 'none':
      return constant(null, start, end);
    case 'call':
      return lowerCall(state, node);
    case 'attribute': {
      const object = tree.child(node, 'object');
      const key = tree.child(node, 'attribute');
      if (object < 0 || key < 0) return lowerParts(state, node, 'error');
      const text = constant(identifier(tree.text(key)), tree.start(key), tree.end(key));
      return member(lowerExpression(state, object), text, start, end);
    }
    case 'subscript':
      return lowerSubscript(state, node);
    case 'binary_operator':
      return lowerBinary(state, node);
    case 'boolean_operator':
      return { kind: 'choice', options: lowerChain(state, node), start, end };
    case 'comparison_operator': {
      const operators = tree.childrenIn(node, 'operators').map((operator) => tree.text(operator));
      const operands = tree.namedChildren(node).filter((child) => tree.field(child) === null);
      return operation(operators.join(' '), lowerAll(state, operands), start, end);
    }
    case 'not_operator':
      return lowerParts(state, node, 'not');
    case 'unary_operator': {
      const operator = tree.child(node, 'operator');
      const lowered = lowerParts(state, node, operator < 0 ? '+' : tree.text(operator));
      return negated(lowered);
    }
    case 'conditional_expression': {
      const [value, test, other] = lowerAll(state, tree.namedChildren(node));
      if (value === undefined || test === undefined || other === undefined) break;
      return { kind: 'choice', test, options: [value, other], start, end };
    }
    case 'parenthesized_expression':
    case 'format_expression': {
      const [only, ...more] = lowerAll(state, tree.namedChildren(node));
      if (only === undefined || more.length > 0) break;
      return only;
    }
    case 'tuple':
    case 'list':
    case 'set':
    case 'expression_list':
    case 'pattern_list':
      return { kind: 'list', items: lowerAll(state, tree.namedChildren(node)), start, end };
    case 'dictionary':
      return lowerDictionary(state, node);
    case 'list_comprehension':
    case 'set_comprehension':
    case 'generator_expression':
    case 'dictionary_comprehension':
      return lowerComprehension(state, node);
    case 'lambda':
      return lowerLambda(state, node);
    case 'named_expression': {
      const target = tree.child(node, 'name');
      const value = tree.child(node, 'value');
      if (target < 0 || value < 0) break;
      const own = name(tree.text(target), tree.start(target), tree.end(target));
      state.names.keep(own);
      return { kind: 'assignment', target: own, value: lowerExpression(state, value), start, end };
    }
    case 'list_splat':
    case 'dictionary_splat':
    case 'parenthesized_list_splat':
      return through('...', lowerAll(state, tree.namedChildren(node)), start, end);
    case 'await':
    case 'yield':
      return through(tree.typeName(node), lowerAll(state, tree.namedChildren(node)), start, end);
    case 'ellipsis':
    case 'type':
      return constant(undefined, start, end);
    case 'pair':
    case 'keyword_argument': {
      const value = tree.child(node, 'value');
      if (value < 0) break;
      return lowerExpression(state, value);
    }
  }
  return lowerParts(state, node, isError(tree, node) ? 'error' : tree.typeName(node));
}

function lowerParts(state: PythonLowering, node: number, operator: string): Expression {
  const { tree } = state;
  const parts = lowerAll(state, tree.namedChildren(node));
  const known = operator === 'not' || operator.length === 1;
  const make = known ? operation : through;
  return make(operator, parts, tree.start(node), tree.end(node));
}

/** `-1` is a constant. */
function negated(node: Expression): Expression {
  if (node.kind !== 'operation' || node.operator !== '-') return node;
  const [only] = node.operands;
  if (only?.kind !== 'constant') return node;
  const { value } = only;
  return typeof value === 'number' || typeof value === 'bigint'
    ? constant(-value, node.start, node.end)
    : node;
}

/** `a + b + c` stands as deep as it is long: its operands beside each other. */
function lowerBinary(state: PythonLowering, node: number): Expression {
  const { tree } = state;
  const operator = operatorOf(state, node);
  if (operator === '%') return lowerFormat(state, node);
  const operands = operator === '+' ? lowerChain(state, node) : lowerSides(state, node);
  return operation(operator, operands, tree.start(node), tree.end(node));
}

/** Numbers are formatted as texts are: which of both it is stands in the left side. */
function lowerFormat(state: PythonLowering, node: number): Expression {
  const { tree } = state;
  const start = tree.start(node);
  const end = tree.end(node);
  const [left, right] = lowerSides(state, node);
  if (left === undefined || right === undefined) return lowerParts(state, node, 'error');
  const isNumber = left.kind === 'constant' && typeof left.value === 'number';
  if (isNumber) return operation('%', [left, right], start, end);
  const args = right.kind === 'list' ? right.items : [right];
  const callee = member(left, constant(FORMAT, start, start), start, end);
  return { kind: 'call', form: 'call', callee, args, start, end };
}

const operatorOf = ({ tree }: PythonLowering, node: number): string => {
  const operator = tree.child(node, 'operator');
  return operator < 0 ? '' : tree.text(operator);
};

const lowerSides = (state: PythonLowering, node: number): Expression[] =>
  lowerAll(
    state,
    [state.tree.child(node, 'left'), state.tree.child(node, 'right')].filter((side) => side >= 0),
  );

function lowerChain(state: PythonLowering, node: number): Expression[] {
  const { tree } = state;
  const type = tree.type(node);
  const operator = operatorOf(state, node);
  const operands: Expression[] = [];
  let at = node;
  while (at >= 0 && tree.type(at) === type && operatorOf(state, at) === operator) {
    const right = tree.child(at, 'right');
    if (right >= 0) operands.push(lowerExpression(state, right));
    at = tree.child(at, 'left');
  }
  if (at >= 0) operands.push(lowerExpression(state, at));
  return operands.reverse();
}

function lowerSubscript(state: PythonLowering, node: number): Expression {
  const { tree } = state;
  const start = tree.start(node);
  const end = tree.end(node);
  const value = tree.child(node, 'value');
  const keys = tree.childrenIn(node, 'subscript').filter((key) => tree.isNamed(key));
  const [key] = keys;
  if (value < 0 || key === undefined) return lowerParts(state, node, 'error');
  const object = lowerExpression(state, value);
  if (keys.length > 1) {
    const items = lowerAll(state, keys);
    return member(object, { kind: 'list', items, start: tree.start(key), end }, start, end);
  }
  if (tree.typeName(key) !== 'slice')
    return member(object, lowerExpression(state, key), start, end);
  const bounds: Expression[] = [];
  let bound: Expression = constant(null, start, start);
  for (const part of tree.children(key)) {
    if (tree.isNamed(part)) bound = lowerExpression(state, part);
    else {
      bounds.push(bound);
      bound = constant(null, start, start);
    }
  }
  const callee = member(object, constant(SLICE, start, start), start, end);
  return { kind: 'call', form: 'call', callee, args: [...bounds, bound], start, end };
}

function lowerDictionary(state: PythonLowering, node: number): Expression {
  const { tree } = state;
  const entries = tree.namedChildren(node).flatMap((entry) => {
    const type = tree.typeName(entry);
    if (type === 'dictionary_splat') {
      return lowerAll(state, tree.namedChildren(entry)).map((value) => ({ value }));
    }
    const key = tree.child(entry, 'key');
    const value = tree.child(entry, 'value');
    if (key < 0 || value < 0) return [];
    return [{ key: lowerExpression(state, key), value: lowerExpression(state, value) }];
  });
  return { kind: 'entries', entries, start: tree.start(node), end: tree.end(node) };
}

function lowerLambda(state: PythonLowering, node: number): Expression {
  const { tree } = state;
  const start = tree.start(node);
  const end = tree.end(node);
  const given = tree.child(node, 'parameters');
  const body = tree.child(node, 'body');
  const parameters = given < 0 ? [] : lowerParameters(state, given);
  const around = state.names;
  state.names = new Names();
  const value = body < 0 ? undefined : lowerExpression(state, body);
  const declared = state.names.declarations(start);
  state.names = around;
  const leave = { kind: 'leave', how: 'return', value, start, end } as const;
  return { kind: 'function', parameters, body: [...declared, leave], arrow: true, start, end };
}
