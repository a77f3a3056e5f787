/** Statements. */
import type { ESTree } from 'meriyah';
import type { Expression, Statement } from '../tree.ts';
import { evaluate, lowerExpression } from './expressions.ts';
import { lowerFunction } from './functions.ts';
import { lowerLoop } from './loops.ts';
import { type Lowering, name, spanOf } from './lowering.ts';
import { lowerModuleItem } from './module-items.ts';
import { ChoiceNode, OperationNode } from './nodes.ts';
import { lowerPattern } from './patterns.ts';
import {
  BindNode,
  BlockNode,
  BranchNode,
  DefineNode,
  EvaluateNode,
  LeavableNode,
  LeaveNode,
  TryNode,
} from './statement-nodes.ts';

export function lowerStatements(
  state: Lowering,
  nodes: readonly ESTree.Node[],
): readonly Statement[] {
  const from = state.begin();
  for (const node of nodes) lowerInto(state, node);
  return state.take(from);
}

export function lowerOne(
  state: Lowering,
  node: ESTree.Node | null | undefined,
): readonly Statement[] {
  if (node === null || node === undefined) return state.take(state.begin());
  if (node.type === 'BlockStatement') return lowerStatements(state, node.body);
  const from = state.begin();
  lowerInto(state, node);
  return state.take(from);
}

/** Adds what the statement becomes to the list that is being made. */
export function lowerInto(state: Lowering, node: ESTree.Node): void {
  const fits = state.enter();
  if (fits) lowerKind(state, node);
  else state.add(evaluate(state.tooDeep(node)));
  state.depth--;
}

function lowerKind(state: Lowering, node: ESTree.Node): void {
  const { start, end } = spanOf(node);
  switch (node.type) {
    case 'ExpressionStatement':
      if ((node as { directive?: string }).directive === undefined) {
        state.add(new EvaluateNode(lowerExpression(state, node.expression), start, end));
      }
      return;
    case 'VariableDeclaration':
      lowerVariables(state, node);
      return;
    case 'FunctionDeclaration': {
      const value = lowerFunction(state, node);
      state.add(new DefineNode(node.id?.name ?? 'default', value, start, end));
      return;
    }
    case 'ClassDeclaration': {
      const target = name(node.id?.name ?? 'default', start, start);
      state.add(new BindNode('block', target, lowerExpression(state, node), start, end));
      return;
    }
    case 'ReturnStatement':
    case 'ThrowStatement':
      state.add(
        new LeaveNode(
          node.type === 'ReturnStatement' ? 'return' : 'throw',
          node.argument ? lowerExpression(state, node.argument) : undefined,
          undefined,
          start,
          end,
        ),
      );
      return;
    case 'BreakStatement':
    case 'ContinueStatement':
      state.add(
        new LeaveNode(
          node.type === 'BreakStatement' ? 'break' : 'continue',
          undefined,
          node.label?.name,
          start,
          end,
        ),
      );
      return;
    case 'IfStatement':
      lowerIf(state, node);
      return;
    case 'BlockStatement':
      state.add(new BlockNode(lowerStatements(state, node.body), start, end));
      return;
    case 'LabeledStatement':
      state.add(new LeavableNode(node.label.name, lowerOne(state, node.body), start, end));
      return;
    case 'TryStatement':
      state.add(
        new TryNode(
          lowerStatements(state, node.block.body),
          node.handler?.param ? lowerPattern(state, node.handler.param) : undefined,
          lowerOne(state, node.handler?.body),
          lowerOne(state, node.finalizer),
          start,
          end,
        ),
      );
      return;
    case 'SwitchStatement':
      lowerSwitch(state, node);
      return;
    case 'WithStatement':
      lowerWith(state, node);
      return;
    case 'EmptyStatement':
    case 'DebuggerStatement':
      if (node.type === 'DebuggerStatement') state.add(evaluate(name('debugger', start, end)));
      return;
    default:
      if (lowerLoop(state, node) || lowerModuleItem(state, node)) return;
      state.add(evaluate(lowerExpression(state, node)));
  }
}

export function lowerVariables(state: Lowering, node: ESTree.VariableDeclaration): void {
  const scope = node.kind === 'var' ? 'function' : 'block';
  for (const declarator of node.declarations) {
    const { start, end } = spanOf(declarator);
    const target = lowerPattern(state, declarator.id);
    const value = declarator.init ? lowerExpression(state, declarator.init) : undefined;
    state.add(new BindNode(scope, target, value, start, end));
  }
}

/** A chain of `else if` stands in itself as deep as it is long: it is taken from its end. */
function lowerIf(state: Lowering, node: ESTree.IfStatement): void {
  if (node.alternate?.type !== 'IfStatement') {
    const { start, end } = spanOf(node);
    const otherwise = lowerOne(state, node.alternate);
    const test = lowerExpression(state, node.test);
    state.add(new BranchNode(test, lowerOne(state, node.consequent), otherwise, start, end));
    return;
  }
  const chain: ESTree.IfStatement[] = [node];
  let last: ESTree.Node | null | undefined = node.alternate;
  while (last?.type === 'IfStatement' && chain.length < 10_000) {
    chain.push(last);
    last = last.alternate;
  }
  // Only the outer ones are nested: deeper than that, what follows stands beside instead of within.
  let otherwise = lowerOne(state, last);
  for (let i = chain.length - 1; i >= 0; i--) {
    const part = chain[i] as ESTree.IfStatement;
    const { start, end } = spanOf(part);
    const branch = new BranchNode(
      lowerExpression(state, part.test),
      lowerOne(state, part.consequent),
      i % 64 === 63 ? [] : otherwise,
      start,
      end,
    );
    otherwise = i % 64 === 63 ? [branch, ...otherwise] : state.one(branch);
  }
  for (const part of otherwise) state.add(part);
}

/**
 * Each case becomes a branch, those without statements joined with the next; the default stands last, without a test.
 * Falling through from one case with statements into the next is not told.
 */
function lowerSwitch(state: Lowering, node: ESTree.SwitchStatement): void {
  const { start, end } = spanOf(node);
  const what = name(`%switch${start}`, start, start);
  const discriminant = lowerExpression(state, node.discriminant);
  const from = state.begin();
  state.add(new BindNode('block', what, discriminant, start, start));
  let tests: Expression[] = [];
  let fallback: Statement | undefined;
  let isDefault = false;
  for (const item of node.cases) {
    const span = spanOf(item);
    if (item.test === null || item.test === undefined) isDefault = true;
    else {
      const operands = state.two(
        name(what.name, span.start, span.start),
        lowerExpression(state, item.test as ESTree.Node),
      );
      tests.push(new OperationNode('===', operands, span.start, span.end));
    }
    if (item.consequent.length === 0) continue;
    const test: Expression | undefined =
      tests.length < 2 ? tests[0] : new ChoiceNode(undefined, tests.slice(), span.start, span.end);
    const branch = new BranchNode(
      isDefault ? undefined : test,
      lowerStatements(state, item.consequent),
      lowerOne(state, undefined),
      span.start,
      span.end,
    );
    if (isDefault) fallback = branch;
    else state.add(branch);
    tests = [];
    isDefault = false;
  }
  if (fallback !== undefined) state.add(fallback);
  state.add(new LeavableNode(undefined, state.take(from), start, end));
}

function lowerWith(state: Lowering, node: ESTree.WithStatement): void {
  const { start, end } = spanOf(node);
  const object = `%with${start}`;
  const value = lowerExpression(state, node.object);
  state.withs.push(object);
  const body = lowerOne(state, node.body);
  state.withs.pop();
  const from = state.begin();
  state.add(new BindNode('block', name(object, start, start), value, start, end));
  for (const part of body) state.add(part);
  state.add(new BlockNode(state.take(from), start, end));
}
