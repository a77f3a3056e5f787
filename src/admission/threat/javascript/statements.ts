/** Statements. */
import type { ESTree } from 'meriyah';
import type { Expression, Pattern, Statement } from '../tree.ts';
import { evaluate, lowerExpression } from './expressions.ts';
import { lowerFunction } from './functions.ts';
import { type Lowering, name, spanOf } from './lowering.ts';
import { lowerModuleItem } from './module-items.ts';
import {
  BindNode,
  BranchNode,
  ChoiceNode,
  EvaluateNode,
  LeaveNode,
  OperationNode,
} from './nodes.ts';
import { lowerPattern } from './patterns.ts';

export function lowerStatements(
  state: Lowering,
  nodes: readonly ESTree.Node[],
): readonly Statement[] {
  const lowered: Statement[] = [];
  for (const node of nodes) lowerInto(state, node, lowered);
  return lowered;
}

function lowerOne(state: Lowering, node: ESTree.Node | null | undefined): readonly Statement[] {
  if (node === null || node === undefined) return [];
  if (node.type === 'BlockStatement') return lowerStatements(state, node.body);
  const lowered: Statement[] = [];
  lowerInto(state, node, lowered);
  return lowered;
}

export function lowerInto(state: Lowering, node: ESTree.Node, into: Statement[]): void {
  const fits = state.enter();
  if (fits) lowerKind(state, node, into);
  else into.push(evaluate(state.tooDeep(node)));
  state.depth--;
}

function lowerKind(state: Lowering, node: ESTree.Node, into: Statement[]): void {
  const { start, end } = spanOf(node);
  switch (node.type) {
    case 'ExpressionStatement':
      if ((node as { directive?: string }).directive === undefined) {
        into.push(new EvaluateNode(lowerExpression(state, node.expression), start, end));
      }
      return;
    case 'VariableDeclaration':
      lowerVariables(state, node, into);
      return;
    case 'FunctionDeclaration': {
      const value = lowerFunction(state, node);
      into.push({ kind: 'define', name: node.id?.name ?? 'default', value, start, end });
      return;
    }
    case 'ClassDeclaration':
      into.push({
        kind: 'bind',
        scope: 'block',
        target: name(node.id?.name ?? 'default', start, start),
        value: lowerExpression(state, node),
        start,
        end,
      });
      return;
    case 'ReturnStatement':
    case 'ThrowStatement':
      into.push(
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
      into.push(
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
      lowerIf(state, node, into);
      return;
    case 'BlockStatement':
      into.push({ kind: 'block', body: lowerStatements(state, node.body), start, end });
      return;
    case 'LabeledStatement':
      into.push({
        kind: 'leavable',
        label: node.label.name,
        body: lowerOne(state, node.body),
        start,
        end,
      });
      return;
    case 'TryStatement':
      into.push({
        kind: 'try',
        body: lowerStatements(state, node.block.body),
        caught: node.handler?.param ? lowerPattern(state, node.handler.param) : undefined,
        handler: node.handler ? lowerStatements(state, node.handler.body.body) : [],
        finalizer: node.finalizer ? lowerStatements(state, node.finalizer.body) : [],
        start,
        end,
      });
      return;
    case 'SwitchStatement':
      lowerSwitch(state, node, into);
      return;
    case 'WithStatement':
      lowerWith(state, node, into);
      return;
    case 'EmptyStatement':
    case 'DebuggerStatement':
      if (node.type === 'DebuggerStatement') into.push(evaluate(name('debugger', start, end)));
      return;
    default:
      if (lowerLoop(state, node, into) || lowerModuleItem(state, node, into)) return;
      into.push(evaluate(lowerExpression(state, node)));
  }
}

function lowerVariables(
  state: Lowering,
  node: ESTree.VariableDeclaration,
  into: Statement[],
): void {
  const scope = node.kind === 'var' ? 'function' : 'block';
  for (const declarator of node.declarations) {
    const { start, end } = spanOf(declarator);
    const target = lowerPattern(state, declarator.id);
    const value = declarator.init ? lowerExpression(state, declarator.init) : undefined;
    into.push(new BindNode(scope, target, value, start, end));
  }
}

/** A chain of `else if` stands in itself as deep as it is long: it is taken from its end. */
function lowerIf(state: Lowering, node: ESTree.IfStatement, into: Statement[]): void {
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
    otherwise = i % 64 === 63 ? [branch, ...otherwise] : [branch];
  }
  into.push(...otherwise);
}

/**
 * Each case becomes a branch, those without statements joined with the next; the default stands last, without a test.
 * Falling through from one case with statements into the next is not told.
 */
function lowerSwitch(state: Lowering, node: ESTree.SwitchStatement, into: Statement[]): void {
  const { start, end } = spanOf(node);
  const what = name(`%switch${start}`, start, start);
  const body: Statement[] = [
    {
      kind: 'bind',
      scope: 'block',
      target: what,
      value: lowerExpression(state, node.discriminant),
      start,
      end: start,
    },
  ];
  let tests: Expression[] = [];
  let fallback: Statement | undefined;
  let isDefault = false;
  for (const item of node.cases) {
    const span = spanOf(item);
    if (item.test === null || item.test === undefined) isDefault = true;
    else {
      const operands = [
        name(what.name, span.start, span.start),
        lowerExpression(state, item.test as ESTree.Node),
      ];
      tests.push(new OperationNode('===', operands, span.start, span.end));
    }
    if (item.consequent.length === 0) continue;
    const test: Expression | undefined =
      tests.length < 2 ? tests[0] : new ChoiceNode(undefined, tests, span.start, span.end);
    const branch = new BranchNode(
      isDefault ? undefined : test,
      lowerStatements(state, item.consequent),
      [],
      span.start,
      span.end,
    );
    if (isDefault) fallback = branch;
    else body.push(branch);
    tests = [];
    isDefault = false;
  }
  if (fallback !== undefined) body.push(fallback);
  into.push({ kind: 'leavable', body, start, end });
}

function lowerWith(state: Lowering, node: ESTree.WithStatement, into: Statement[]): void {
  const { start, end } = spanOf(node);
  const object = `%with${start}`;
  const value = lowerExpression(state, node.object);
  state.withs.push(object);
  const body = lowerOne(state, node.body);
  state.withs.pop();
  const target = name(object, start, start);
  into.push({
    kind: 'block',
    body: [{ kind: 'bind', scope: 'block', target, value, start, end }, ...body],
    start,
    end,
  });
}

function lowerLoop(state: Lowering, node: ESTree.Node, into: Statement[]): boolean {
  const { start, end } = spanOf(node);
  switch (node.type) {
    case 'WhileStatement':
    case 'DoWhileStatement':
      into.push({
        kind: 'loop',
        test: testOf(state, node.test),
        body: lowerOne(state, node.body),
        atLeastOnce: node.type === 'DoWhileStatement',
        start,
        end,
      });
      return true;
    case 'ForStatement': {
      const before: Statement[] = [];
      if (node.init) lowerInto(state, node.init as ESTree.Node, before);
      const loop: Statement = {
        kind: 'loop',
        test: node.test ? testOf(state, node.test) : undefined,
        update: node.update ? lowerExpression(state, node.update) : undefined,
        body: lowerOne(state, node.body),
        start,
        end,
      };
      into.push({ kind: 'block', body: [...before, loop], start, end });
      return true;
    }
    case 'ForInStatement':
    case 'ForOfStatement': {
      const left = node.left as ESTree.Node;
      const before: Statement[] = [];
      let item: Pattern;
      if (left.type === 'VariableDeclaration') {
        lowerVariables(state, left, before);
        item = (before[0] as Statement & { kind: 'bind' }).target;
      } else item = lowerPattern(state, left);
      const loop: Statement = {
        kind: 'loop',
        item,
        over: lowerExpression(state, node.right),
        keys: node.type === 'ForInStatement',
        body: lowerOne(state, node.body),
        start,
        end,
      };
      into.push({ kind: 'block', body: [...before, loop], start, end });
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
