/** Assignments of Python. */
import { bind, constant } from '../syntax-lowering.ts';
import type { Expression, Pattern, Statement } from '../tree.ts';
import { lowerExpression } from './expressions.ts';
import type { PythonLowering } from './lowering.ts';
import { lowerPattern } from './patterns.ts';

export function lowerAssignment(state: PythonLowering, node: number, into: Statement[]): void {
  const { tree } = state;
  const left = tree.child(node, 'left');
  const right = tree.child(node, 'right');
  if (left < 0 || right < 0) return;
  const target = lowerPattern(state, left);
  const value = lowerAssigned(state, right);
  into.push(assign(state, target, value, tree.start(node), tree.end(node)));
}

/** The right side of an assignment, which may be one itself. */
export function lowerAssigned(state: PythonLowering, node: number): Expression {
  const { tree } = state;
  const type = tree.typeName(node);
  if (type !== 'assignment' && type !== 'augmented_assignment') return lowerExpression(state, node);
  return state.within(
    node,
    () => {
      const start = tree.start(node);
      const end = tree.end(node);
      const left = tree.child(node, 'left');
      const right = tree.child(node, 'right');
      const target = left < 0 ? undefined : lowerPattern(state, left);
      const value = right < 0 ? constant(undefined, end, end) : lowerAssigned(state, right);
      if (target === undefined) return value;
      state.names.keep(target);
      const sign = tree.child(node, 'operator');
      const operator = sign < 0 ? undefined : tree.text(sign).slice(0, -1);
      return { kind: 'assignment', target, value, operator, start, end };
    },
    (cut) => cut,
  );
}

export function assign(
  state: PythonLowering,
  target: Pattern | undefined,
  value: Expression,
  start: number,
  end: number,
): Statement {
  if (target === undefined) return { kind: 'evaluate', expression: value, start, end };
  const scope = state.names.scopeOfPattern(target);
  if (scope !== undefined) return bind(scope, target, value, start, end);
  state.names.keep(target);
  const expression: Expression = { kind: 'assignment', target, value, start, end };
  return { kind: 'evaluate', expression, start, end };
}
