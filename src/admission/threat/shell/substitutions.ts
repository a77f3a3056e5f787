/** `$(…)`, backquotes and `<(…)`: what commands print. */
import { called, name, through } from '../syntax-lowering.ts';
import type { Expression, Statement } from '../tree.ts';
import type { ShellLowering } from './lowering.ts';
import { lowerRedirectedPath } from './redirections.ts';
import { isValue, lowerStatements, lowerValue } from './statements.ts';

export function lowerSubstitution(state: ShellLowering, node: number): Expression {
  const { tree } = state;
  const start = tree.start(node);
  const end = tree.end(node);
  const redirect = tree.child(node, 'redirect');
  if (redirect >= 0) {
    const callee = name('<', start, start);
    const args = lowerRedirectedPath(state, redirect);
    return { kind: 'call', form: 'command', callee, args, start, end };
  }
  const nodes = tree.namedChildren(node).filter((child) => tree.typeName(child) !== 'comment');
  const [only] = nodes;
  if (only === undefined) return through('substitution', [], start, end);
  if (nodes.length === 1 && isValue(state, only)) return lowerValue(state, only);
  return called(returning(lowerStatements(state, nodes)), start, end);
}

/** What the last command prints is the value. */
export function returning(body: readonly Statement[]): Statement[] {
  const last = body.at(-1);
  if (last?.kind !== 'evaluate') return [...body];
  const { expression: value, start, end } = last;
  return [...body.slice(0, -1), { kind: 'leave', how: 'return', value, start, end }];
}
