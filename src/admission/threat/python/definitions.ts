/** Functions, classes and their decorators. */
import { bind, constant, evaluate, member, name } from '../syntax-lowering.ts';
import type { Entry, Expression, FunctionValue, Statement } from '../tree.ts';
import { lowerArguments } from './calls.ts';
import { lowerExpression } from './expressions.ts';
import { Names, type PythonLowering } from './lowering.ts';
import { lowerParameters } from './patterns.ts';
import { lowerInto, lowerStatements } from './statements.ts';

const nameOf = ({ tree }: PythonLowering, node: number): string => {
  const own = tree.child(node, 'name');
  return own < 0 ? '' : tree.text(own);
};

/** Known in all of its scope where it stands in that itself, else from where it stands. */
export function lowerFunction(state: PythonLowering, node: number): Statement {
  const { tree } = state;
  const start = tree.start(node);
  const end = tree.end(node);
  const text = nameOf(state, node);
  const value = functionOf(state, node, false);
  const scope = state.names.scopeOf(text);
  if (state.nested || scope !== 'function') {
    return bind(scope ?? 'function', name(text, start, start), value, start, end);
  }
  return { kind: 'define', name: text, value, exported: state.functions === 0, start, end };
}

/** @param isMethod its first parameter is what it is called on */
function functionOf(state: PythonLowering, node: number, isMethod: boolean): FunctionValue {
  const { tree } = state;
  const start = tree.start(node);
  const end = tree.end(node);
  const given = tree.child(node, 'parameters');
  const parameters = given < 0 ? [] : lowerParameters(state, given);
  const before: Statement[] = [];
  const [first] = parameters;
  if (isMethod && first !== undefined && first.kind !== 'rest-pattern') {
    parameters.shift();
    before.push(
      bind('function', first, name('this', first.start, first.start), first.start, first.end),
    );
  }
  const inner = inFunction(state, () => lowerStatements(state, tree.child(node, 'body')));
  return {
    kind: 'function',
    name: nameOf(state, node),
    parameters,
    body: [...before, ...inner],
    arrow: !isMethod,
    start,
    end,
  };
}

function inFunction(state: PythonLowering, lower: () => Statement[]): Statement[] {
  const { names, nested } = state;
  state.names = new Names();
  state.nested = false;
  state.functions++;
  const body = lower();
  const declared = state.names.declarations(body[0]?.start ?? 0);
  state.functions--;
  state.names = names;
  state.nested = nested;
  return [...declared, ...body];
}

/** The decorator is called with what it decorates, whose name stays what it is. */
export function lowerDecorated(state: PythonLowering, node: number): Statement[] {
  const { tree } = state;
  const definition = tree.child(node, 'definition');
  if (definition < 0) return lowerStatements(state, node);
  const lowered: Statement[] = [];
  lowerInto(state, definition, lowered);
  for (const decorator of decoratorsOf(state, node)) {
    const { start, end } = decorator;
    const args = [name(nameOf(state, definition), end, end)];
    lowered.push(evaluate({ kind: 'call', form: 'call', callee: decorator, args, start, end }));
  }
  return lowered;
}

const decoratorsOf = (state: PythonLowering, node: number): Expression[] =>
  state.tree.namedChildren(node).flatMap((child) => {
    const [inner] = state.tree.namedChildren(child);
    return state.tree.typeName(child) === 'decorator' && inner !== undefined
      ? [lowerExpression(state, inner)]
      : [];
  });

/** What a class body does besides defining its members is done where the class stands. */
export function lowerClass(state: PythonLowering, node: number): Statement[] {
  const { tree } = state;
  const start = tree.start(node);
  const end = tree.end(node);
  const text = nameOf(state, node);
  const before: Statement[] = [];
  const after: Statement[] = [];
  const entries: Entry[] = [];
  const body = tree.child(node, 'body');
  const around = state.names;
  state.names = new Names();
  for (const item of body < 0 ? [] : tree.namedChildren(body)) {
    lowerClassItem(state, item, text, entries, before, after);
  }
  const inner = [...state.names.declarations(start), ...before];
  state.names = around;
  const bases = tree.child(node, 'superclasses');
  const { args, named = [] } = lowerArguments(state, bases);
  for (const { value } of named) inner.push(evaluate(value));
  const [first, ...more] = args;
  const parent: Expression | undefined =
    first === undefined || more.length === 0
      ? first
      : { kind: 'choice', options: args, start: first.start, end: first.end };
  const made: Expression = { kind: 'entries', entries, isClass: true, parent, start, end };
  const scope = state.names.scopeOf(text) ?? 'function';
  return [...inner, bind(scope, name(text, start, start), made, start, end), ...after];
}

const PLAIN_DECORATORS = new Set(['staticmethod', 'classmethod', 'property']);

function lowerClassItem(
  state: PythonLowering,
  item: number,
  own: string,
  entries: Entry[],
  before: Statement[],
  after: Statement[],
): void {
  const { tree } = state;
  const type = tree.typeName(item);
  const decorated = type === 'decorated_definition';
  const definition = decorated ? tree.child(item, 'definition') : item;
  if (definition >= 0 && tree.typeName(definition) === 'function_definition') {
    const decorators = decorated ? decoratorsOf(state, item) : [];
    const named = decorators.flatMap((one) => (one.kind === 'name' ? [one.name] : []));
    const value = functionOf(state, definition, !named.includes('staticmethod'));
    const key = constant(nameOf(state, definition), value.start, value.start);
    entries.push({ key, value, accessor: named.includes('property') ? 'get' : undefined });
    for (const callee of decorators) {
      if (callee.kind === 'name' && PLAIN_DECORATORS.has(callee.name)) continue;
      const { start, end } = callee;
      const args = [member(name(own, end, end), key, end, end)];
      after.push(evaluate({ kind: 'call', form: 'call', callee, args, start, end }));
    }
    return;
  }
  const lowered: Statement[] = [];
  state.inBranch(() => lowerInto(state, item, lowered));
  for (const statement of lowered) {
    if (statement.kind !== 'bind' || statement.target.kind !== 'name') {
      before.push(statement);
      continue;
    }
    const { target, value } = statement;
    if (value !== undefined) {
      entries.push({ key: constant(target.name, target.start, target.end), value });
    }
  }
}
