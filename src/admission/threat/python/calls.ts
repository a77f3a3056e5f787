/** Calls of Python. */
import { constant, through } from '../syntax-lowering.ts';
import type { Call, Expression } from '../tree.ts';
import { lowerExpression } from './expressions.ts';
import type { PythonLowering } from './lowering.ts';

export function lowerCall(state: PythonLowering, node: number): Expression {
  const { tree } = state;
  const start = tree.start(node);
  const end = tree.end(node);
  const callee = tree.child(node, 'function');
  const given = tree.child(node, 'arguments');
  // The grammar reads `[*f(x)]` as a call of `*f`.
  const isSpread = callee >= 0 && tree.typeName(callee) === 'list_splat';
  const called = isSpread ? (tree.namedChildren(callee)[0] ?? -1) : callee;
  const call: Expression = {
    kind: 'call',
    form: 'call',
    callee: called < 0 ? constant(undefined, start, start) : lowerExpression(state, called),
    ...lowerArguments(state, given),
    start,
    end,
  };
  return isSpread ? through('...', [call], start, end) : call;
}

/** @param node `argument_list`, or the generator that is the only argument; -1: there is none */
export function lowerArguments(state: PythonLowering, node: number): Pick<Call, 'args' | 'named'> {
  const { tree } = state;
  if (node < 0) return { args: [] };
  if (tree.typeName(node) !== 'argument_list') return { args: [lowerExpression(state, node)] };
  const args: Expression[] = [];
  const named: { name: string; value: Expression }[] = [];
  for (const argument of tree.namedChildren(node)) {
    const type = tree.typeName(argument);
    if (type === 'comment') continue;
    if (type === 'keyword_argument') {
      const own = tree.child(argument, 'name');
      const value = tree.child(argument, 'value');
      if (value < 0) continue;
      named.push({ name: own < 0 ? '' : tree.text(own), value: lowerExpression(state, value) });
    } else if (type === 'dictionary_splat') {
      const [value] = tree.namedChildren(argument);
      if (value === undefined) continue;
      const of = [lowerExpression(state, value)];
      const spread = through('...', of, tree.start(argument), tree.end(argument));
      named.push({ name: '**', value: spread });
    } else args.push(lowerExpression(state, argument));
  }
  return named.length === 0 ? { args } : { args, named };
}
