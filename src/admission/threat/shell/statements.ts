/** Commands of a shell, simple and compound. */
import { bind, called, constant, evaluate, isError, name, operation } from '../syntax-lowering.ts';
import type { Expression, Statement } from '../tree.ts';
import { lowerAssignment, lowerDeclaration } from './assignments.ts';
import { commandOf, lowerCommand } from './commands.ts';
import { lowerCase, lowerFor, lowerForArithmetic, lowerIf, lowerWhile } from './compound.ts';
import { lowerFunction } from './functions.ts';
import { INPUT, type ShellLowering } from './lowering.ts';
import { inputOf, writtenTo } from './redirections.ts';
import { returning } from './substitutions.ts';
import { lowerCommandName, lowerWord, lowerWords } from './words.ts';

/** Stages of a pipeline and links of a chain that stand within each other; what follows stands beside. */
const MOST_NESTED = 24;

export function lowerStatements(state: ShellLowering, nodes: readonly number[]): Statement[] {
  const lowered: Statement[] = [];
  for (const node of nodes) lowerInto(state, node, lowered);
  return lowered;
}

export function lowerInto(state: ShellLowering, node: number, into: Statement[]): void {
  state.within(
    node,
    () => lowerKind(state, node, into),
    (cut) => into.push(evaluate(cut)),
  );
}

const VALUES = new Set([
  'command',
  'pipeline',
  'redirected_statement',
  'test_command',
  'negated_command',
]);

/** Whether it is one command that prints something, or a test. */
export const isValue = ({ tree }: ShellLowering, node: number): boolean =>
  VALUES.has(tree.typeName(node));

function lowerKind(state: ShellLowering, node: number, into: Statement[]): void {
  const { tree } = state;
  switch (tree.typeName(node)) {
    case 'comment':
    case 'heredoc_body':
    case 'heredoc_end':
      return;
    case 'command':
      if (lowerRead(state, node, into)) return;
      into.push(evaluate(lowerCommand(state, node)));
      return;
    case 'redirected_statement':
      lowerRedirected(state, node, into);
      return;
    case 'pipeline':
    case 'test_command':
    case 'negated_command':
      into.push(evaluate(lowerValue(state, node)));
      return;
    case 'list':
      into.push(...lowerChain(state, node));
      return;
    case 'program':
    case 'subshell':
    case 'compound_statement':
    case 'do_group':
    case 'elif_clause':
    case 'else_clause':
      into.push(...lowerStatements(state, tree.namedChildren(node)));
      return;
    case 'if_statement':
      into.push(...lowerIf(state, node));
      return;
    case 'while_statement':
      into.push(lowerWhile(state, node));
      return;
    case 'for_statement':
      into.push(...lowerFor(state, node));
      return;
    case 'c_style_for_statement':
      into.push(...lowerForArithmetic(state, node));
      return;
    case 'case_statement':
      into.push(...lowerCase(state, node));
      return;
    case 'function_definition':
      into.push(lowerFunction(state, node));
      return;
    case 'variable_assignment':
      into.push(lowerAssignment(state, node, 'module'));
      return;
    case 'variable_assignments':
      for (const child of tree.namedChildren(node)) lowerInto(state, child, into);
      return;
    case 'declaration_command':
    case 'unset_command':
      into.push(...lowerDeclaration(state, node));
      return;
    default:
      if (isError(tree, node)) lowerDamaged(state, node, into);
      else into.push(evaluate(lowerWord(state, node)));
  }
}

/** A shell has run what stands before an error: commands in it are commands, a name with words is one. */
function lowerDamaged(state: ShellLowering, node: number, into: Statement[]): void {
  const { tree } = state;
  const children = tree.namedChildren(node);
  for (let at = 0; at < children.length; at++) {
    const child = children[at];
    if (child === undefined) continue;
    if (tree.typeName(child) !== 'command_name') {
      lowerInto(state, child, into);
      continue;
    }
    let end = at + 1;
    while (end < children.length && tree.field(children[end] ?? -1) === 'argument') end++;
    const words = lowerWords(state, children.slice(at + 1, end));
    const last = tree.end(children[end - 1] ?? child);
    const callee = lowerCommandName(state, child);
    into.push(evaluate(commandOf(callee, words, undefined, tree.start(child), last, 0)));
    at = end - 1;
  }
}

/** Any command as an expression: what it prints, or whether it succeeds. */
export function lowerValue(state: ShellLowering, node: number, piped?: Expression): Expression {
  return state.within(
    node,
    () => valueMade(state, node, piped),
    (cut) => cut,
  );
}

function valueMade(state: ShellLowering, node: number, piped: Expression | undefined): Expression {
  const { tree } = state;
  const start = tree.start(node);
  const end = tree.end(node);
  switch (tree.typeName(node)) {
    case 'command':
      return lowerCommand(state, node, [], piped);
    case 'pipeline':
      return lowerPipeline(state, tree.namedChildren(node), piped);
    case 'test_command': {
      const operands = lowerWords(state, tree.namedChildren(node));
      return operation('test', operands, start, end);
    }
    case 'negated_command': {
      const operands = tree.namedChildren(node).map((child) => lowerValue(state, child, piped));
      return operation('not', operands, start, end);
    }
    case 'redirected_statement': {
      const body = tree.child(node, 'body');
      const redirects = redirectsOf(state, node);
      const first =
        body >= 0 && tree.typeName(body) === 'command'
          ? lowerCommand(state, body, redirects, piped)
          : redirectedValue(state, body, redirects, piped, start);
      return lowerPipeline(state, behindMark(state, redirects), first);
    }
    default: {
      const lower = (): Statement[] => returning(lowerStatements(state, [node]));
      if (piped === undefined) return called(lower(), start, end);
      const given = bind('function', name(INPUT, start, start), piped, start, start);
      return called([given, ...state.inside('inputs', lower)], start, end);
    }
  }
}

function redirectedValue(
  state: ShellLowering,
  body: number,
  redirects: readonly number[],
  piped: Expression | undefined,
  start: number,
): Expression {
  const input = inputOf(state, redirects) ?? piped;
  const value = body < 0 ? (input ?? constant('', start, start)) : lowerValue(state, body, input);
  return writtenTo(state, value, redirects);
}

/** Those of a here-document stand within it. */
function redirectsOf({ tree }: ShellLowering, node: number): number[] {
  return tree
    .namedChildren(node)
    .filter((child) => tree.typeName(child).endsWith('_redirect'))
    .flatMap((child) => [child, ...tree.childrenIn(child, 'redirect')]);
}

/** Stages of a pipeline that stand behind the mark of a here-document: `cat <<EOF | sh`. */
const behindMark = ({ tree }: ShellLowering, redirects: readonly number[]): number[] =>
  redirects
    .flatMap((redirect) => tree.namedChildren(redirect))
    .filter((child) => tree.typeName(child) === 'pipeline')
    .flatMap((pipeline) => tree.namedChildren(pipeline));

function lowerPipeline(
  state: ShellLowering,
  stages: readonly number[],
  piped: Expression | undefined,
): Expression {
  const { tree } = state;
  let value = piped;
  let count = 0;
  for (const stage of stages) {
    if (tree.typeName(stage) === 'comment') continue;
    if (++count % (MOST_NESTED * 4) === 0 && value !== undefined) value = state.tooDeep(stage);
    value = lowerValue(state, stage, value);
  }
  return value ?? constant('', 0, 0);
}

function lowerRedirected(state: ShellLowering, node: number, into: Statement[]): void {
  const { tree } = state;
  const body = tree.child(node, 'body');
  const redirects = redirectsOf(state, node);
  const simple = body < 0 || isValue(state, body);
  if (simple) into.push(evaluate(lowerValue(state, node)));
  else {
    const value = redirectedValue(state, body, redirects, undefined, tree.start(node));
    into.push(evaluate(lowerPipeline(state, behindMark(state, redirects), value)));
  }
  for (const redirect of redirects) {
    const right = tree.child(redirect, 'right');
    if (right >= 0) lowerInto(state, right, into);
  }
}

/** `a && b || c` */
function lowerChain(state: ShellLowering, node: number): Statement[] {
  const { tree } = state;
  const links: { node: number; sign: string }[] = [];
  let at = node;
  while (tree.typeName(at) === 'list') {
    const children = tree.children(at);
    const [left, ...more] = children.filter((child) => tree.isNamed(child));
    const sign = children.find((child) => /^(&&|\|\|)$/.test(tree.text(child)));
    for (const right of more.reverse())
      links.push({ node: right, sign: sign === undefined ? '&&' : tree.text(sign) });
    if (left === undefined) break;
    at = left;
    if (tree.typeName(at) !== 'list') links.push({ node: at, sign: '' });
  }
  links.reverse();
  const lowered: Statement[] = [];
  for (let first = 0; first < links.length; first += MOST_NESTED) {
    lowered.push(...linked(state, links.slice(first, first + MOST_NESTED)));
  }
  return lowered;
}

function linked(
  state: ShellLowering,
  links: readonly { readonly node: number; readonly sign: string }[],
): Statement[] {
  const { tree } = state;
  let after: Statement[] = [];
  let sign = '';
  for (const link of links.toReversed()) {
    const statements = lowerStatements(state, [link.node]);
    const last = statements.at(-1);
    if (after.length > 0 && last?.kind === 'evaluate') {
      const then = sign === '&&' ? after : [];
      const otherwise = sign === '&&' ? [] : after;
      const start = tree.start(link.node);
      const branch: Statement = {
        kind: 'branch',
        test: last.expression,
        then,
        otherwise,
        start,
        end: after.at(-1)?.end ?? start,
      };
      after = [...statements.slice(0, -1), branch];
    } else after = [...statements, ...after];
    sign = link.sign;
  }
  return after;
}

/** `read X` within what something is piped into binds that. */
function lowerRead(state: ShellLowering, node: number, into: Statement[]): boolean {
  const { tree } = state;
  const own = tree.child(node, 'name');
  if (state.inputs === 0 || own < 0 || tree.text(own) !== 'read') return false;
  const words = tree.childrenIn(node, 'argument').map((word) => tree.text(word));
  const names = words.filter((word) => /^[A-Za-z_]\w*$/.test(word));
  const start = tree.start(node);
  const end = tree.end(node);
  for (const text of names) {
    into.push(bind('module', name(`$${text}`, start, end), name(INPUT, start, start), start, end));
  }
  return names.length > 0;
}
