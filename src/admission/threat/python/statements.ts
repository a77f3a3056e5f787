/** Statements of Python. */
import { bind, constant, evaluate, isError, name, operation } from '../syntax-lowering.ts';
import type { Expression, Pattern, Statement } from '../tree.ts';
import { assign, lowerAssigned, lowerAssignment } from './assignments.ts';
import { lowerClass, lowerDecorated, lowerFunction } from './definitions.ts';
import { lowerAll, lowerExpression } from './expressions.ts';
import { lowerFromImport, lowerImport } from './imports.ts';
import type { PythonLowering } from './lowering.ts';
import { lowerMatch } from './matching.ts';
import { lowerPattern } from './patterns.ts';
import { unboundNames } from './unbound-names.ts';

/** Of a block, of the module, or of what could not be parsed. */
export function lowerStatements(state: PythonLowering, node: number): Statement[] {
  const lowered: Statement[] = [];
  if (node < 0) return lowered;
  for (const child of state.tree.namedChildren(node)) lowerInto(state, child, lowered);
  return lowered;
}

export function lowerInto(state: PythonLowering, node: number, into: Statement[]): void {
  state.within(
    node,
    (inner) => lowerKind(state, inner, into),
    (cut) => into.push(evaluate(cut)),
  );
}

function lowerKind(state: PythonLowering, node: number, into: Statement[]): void {
  const { tree } = state;
  const start = tree.start(node);
  const end = tree.end(node);
  switch (tree.typeName(node)) {
    case 'comment':
    case 'pass_statement':
    case 'future_import_statement':
    case 'type_alias_statement':
      return;
    case 'expression_statement':
      for (const child of tree.namedChildren(node)) lowerSimple(state, child, into);
      return;
    case 'import_statement':
      into.push(...lowerImport(state, node));
      return;
    case 'import_from_statement':
      into.push(...lowerFromImport(state, node, () => unboundNames(tree)));
      return;
    case 'return_statement':
    case 'raise_statement': {
      const [value] = lowerAll(state, tree.namedChildren(node));
      const how = tree.typeName(node) === 'return_statement' ? 'return' : 'throw';
      into.push({ kind: 'leave', how, value, start, end });
      return;
    }
    case 'break_statement':
    case 'continue_statement': {
      const how = tree.typeName(node) === 'break_statement' ? 'break' : 'continue';
      into.push({ kind: 'leave', how, start, end });
      return;
    }
    case 'global_statement':
    case 'nonlocal_statement': {
      const isGlobal = tree.typeName(node) === 'global_statement';
      const names = isGlobal ? state.names.globals : state.names.nonlocals;
      for (const child of tree.namedChildren(node)) names.add(tree.text(child));
      return;
    }
    case 'delete_statement':
    case 'assert_statement': {
      const operator = tree.typeName(node) === 'delete_statement' ? 'delete' : 'assert';
      const operands = lowerAll(state, tree.namedChildren(node));
      into.push(evaluate(operation(operator, operands, start, end)));
      return;
    }
    case 'print_statement':
    case 'exec_statement': {
      const called = tree.typeName(node) === 'print_statement' ? 'print' : 'exec';
      const args = lowerAll(state, tree.namedChildren(node));
      const callee = name(called, start, start + called.length);
      into.push(evaluate({ kind: 'call', form: 'call', callee, args, start, end }));
      return;
    }
    case 'function_definition':
      into.push(lowerFunction(state, node));
      return;
    case 'class_definition':
      into.push(...lowerClass(state, node));
      return;
    case 'decorated_definition':
      into.push(...lowerDecorated(state, node));
      return;
    case 'if_statement':
      into.push(...state.inBranch(() => lowerIf(state, node)));
      return;
    case 'for_statement':
    case 'while_statement':
      into.push(...state.inBranch(() => lowerLoop(state, node)));
      return;
    case 'try_statement':
      into.push(state.inBranch(() => lowerTry(state, node)));
      return;
    case 'with_statement':
      into.push(...lowerWith(state, node));
      return;
    case 'match_statement':
      into.push(...state.inBranch(() => lowerMatch(state, node)));
      return;
    case 'block':
    case 'module':
    case 'else_clause':
    case 'finally_clause':
    case 'elif_clause':
    case 'except_clause':
    case 'case_clause':
    case 'with_clause':
      into.push(...lowerStatements(state, node));
      return;
    default:
      if (isError(tree, node)) into.push(...lowerStatements(state, node));
      else lowerSimple(state, node, into);
  }
}

/** A text by itself does nothing: it is documentation. */
function lowerSimple(state: PythonLowering, node: number, into: Statement[]): void {
  const { tree } = state;
  switch (tree.typeName(node)) {
    case 'assignment':
      lowerAssignment(state, node, into);
      return;
    case 'augmented_assignment': {
      into.push(evaluate(lowerAssigned(state, node)));
      return;
    }
    case 'identifier':
    case 'comment':
    case 'ellipsis':
      return;
    case 'string':
    case 'concatenated_string': {
      const text = lowerExpression(state, node);
      if (text.kind === 'constant') lowerDocumentation(state, text, into);
      else into.push(evaluate(text));
      return;
    }
    default:
      into.push(evaluate(lowerExpression(state, node)));
  }
}

function lowerDocumentation(state: PythonLowering, text: Expression, into: Statement[]): void {
  if (into.length > 0 || state.functions > 0 || !state.tree.source.includes('__doc__')) return;
  const own = name('__doc__', text.start, text.start);
  into.push(bind('function', own, text, text.start, text.end));
}

/** So many `elif` stand within each other; what follows stands behind, as if it had an `if` of its own. */
const NESTED_BRANCHES = 24;

function lowerIf(state: PythonLowering, node: number): Statement[] {
  const { tree } = state;
  const arms = [node, ...tree.childrenIn(node, 'alternative')];
  const lowered: Statement[] = [];
  for (let first = 0; first < arms.length; first += NESTED_BRANCHES) {
    let otherwise: Statement[] = [];
    for (const arm of arms.slice(first, first + NESTED_BRANCHES).reverse()) {
      if (tree.typeName(arm) === 'else_clause') {
        otherwise = lowerStatements(state, tree.child(arm, 'body'));
        continue;
      }
      const condition = tree.child(arm, 'condition');
      const test = condition < 0 ? undefined : lowerExpression(state, condition);
      const then = lowerStatements(state, tree.child(arm, 'consequence'));
      const start = tree.start(arm);
      otherwise = [{ kind: 'branch', test, then, otherwise, start, end: tree.end(arm) }];
    }
    lowered.push(...otherwise);
  }
  return lowered;
}

function lowerLoop(state: PythonLowering, node: number): Statement[] {
  const { tree } = state;
  const start = tree.start(node);
  const end = tree.end(node);
  const before: Statement[] = [];
  let test: Expression | undefined;
  let item: Pattern | undefined;
  let over: Expression | undefined;
  const condition = tree.child(node, 'condition');
  const right = tree.child(node, 'right');
  if (condition >= 0) {
    const value = lowerExpression(state, condition);
    test = value.kind === 'constant' && value.value ? undefined : value;
  } else if (right >= 0) {
    const left = tree.child(node, 'left');
    item = left < 0 ? undefined : lowerPattern(state, left);
    over = lowerExpression(state, right);
    const scope = item && state.names.scopeOfPattern(item);
    if (item !== undefined && scope !== undefined) {
      before.push(bind(scope, item, undefined, item.start, item.end));
    } else if (item !== undefined) state.names.keep(item);
  }
  const body = lowerStatements(state, tree.child(node, 'body'));
  const after = lowerStatements(state, tree.child(node, 'alternative'));
  return [...before, { kind: 'loop', test, item, over, body, start, end }, ...after];
}

function lowerTry(state: PythonLowering, node: number): Statement {
  const { tree } = state;
  const body = lowerStatements(state, tree.child(node, 'body'));
  const handler: Statement[] = [];
  const finalizer: Statement[] = [];
  for (const clause of tree.namedChildren(node)) {
    const type = tree.typeName(clause);
    if (type === 'else_clause') body.push(...lowerStatements(state, tree.child(clause, 'body')));
    else if (type === 'finally_clause') finalizer.push(...lowerStatements(state, clause));
    else if (type === 'except_clause') {
      const start = tree.start(clause);
      const end = tree.end(clause);
      const alias = aliasOf(state, clause);
      const then: Statement[] = [];
      if (alias >= 0) {
        const own = lowerPattern(state, alias);
        if (own !== undefined)
          then.push(assign(state, own, constant(undefined, start, end), start, end));
      }
      for (const block of tree.namedChildren(clause)) {
        if (tree.typeName(block) === 'block') then.push(...lowerStatements(state, block));
      }
      handler.push({ kind: 'branch', then, otherwise: [], start, end });
    }
  }
  return { kind: 'try', body, handler, finalizer, start: tree.start(node), end: tree.end(node) };
}

/** The name that a caught exception gets; -1: none. */
function aliasOf({ tree }: PythonLowering, clause: number): number {
  const own = tree.child(clause, 'alias');
  if (own >= 0) return own;
  const value = tree.child(clause, 'value');
  const isAlias = value >= 0 && tree.typeName(value) === 'as_pattern';
  return isAlias ? tree.child(value, 'alias') : -1;
}

/** What a context manager gives is taken for itself. */
function lowerWith(state: PythonLowering, node: number): Statement[] {
  const { tree } = state;
  const lowered: Statement[] = [];
  for (const clause of tree.namedChildren(node)) {
    if (tree.typeName(clause) !== 'with_clause') continue;
    for (const item of tree.namedChildren(clause)) {
      const value = tree.child(item, 'value');
      if (value >= 0) lowered.push(...lowerManager(state, value));
    }
  }
  lowered.push(...lowerStatements(state, tree.child(node, 'body')));
  return lowered;
}

function lowerManager(state: PythonLowering, node: number): Statement[] {
  const { tree } = state;
  const type = tree.typeName(node);
  if (type === 'tuple' || type === 'parenthesized_expression') {
    return tree.namedChildren(node).flatMap((inner) => lowerManager(state, inner));
  }
  if (type !== 'as_pattern') return [evaluate(lowerExpression(state, node))];
  const [value] = tree.namedChildren(node);
  const alias = tree.child(node, 'alias');
  if (value === undefined) return [];
  const target = alias < 0 ? undefined : lowerPattern(state, alias);
  const lowered = lowerExpression(state, value);
  return [assign(state, target, lowered, tree.start(node), tree.end(node))];
}
