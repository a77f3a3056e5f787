/** `match`: each case is a branch; names in its pattern are bound to the subject. */
import { bind, name, operation } from '../syntax-lowering.ts';
import type { Expression, Statement } from '../tree.ts';
import { assign } from './assignments.ts';
import { lowerAll, lowerExpression } from './expressions.ts';
import type { PythonLowering } from './lowering.ts';
import { lowerStatements } from './statements.ts';

const SUBJECT = '%subject';

export function lowerMatch(state: PythonLowering, node: number): Statement[] {
  const { tree } = state;
  const start = tree.start(node);
  const end = tree.end(node);
  const subjects = lowerAll(state, tree.childrenIn(node, 'subject'));
  const [only] = subjects;
  const value: Expression =
    subjects.length === 1 && only ? only : { kind: 'list', items: subjects, start, end };
  const lowered: Statement[] = [bind('function', name(SUBJECT, start, start), value, start, end)];
  const body = tree.child(node, 'body');
  if (body < 0) return lowered;
  for (const clause of tree.namedChildren(body)) {
    if (tree.typeName(clause) === 'case_clause') lowered.push(lowerCase(state, clause));
    else lowered.push(...lowerStatements(state, clause));
  }
  return lowered;
}

function lowerCase(state: PythonLowering, clause: number): Statement {
  const { tree } = state;
  const start = tree.start(clause);
  const end = tree.end(clause);
  const then: Statement[] = [];
  const operands: Expression[] = [name(SUBJECT, start, start)];
  for (const pattern of tree.namedChildren(clause)) {
    if (tree.typeName(pattern) !== 'case_pattern') continue;
    for (let node = pattern; node < tree.next(pattern); node++) {
      const type = tree.typeName(node);
      if (type === 'string' || type === 'integer') operands.push(lowerExpression(state, node));
      else if (type === 'identifier' && isCapture(state, node)) {
        const own = name(tree.text(node), tree.start(node), tree.end(node));
        then.push(assign(state, own, name(SUBJECT, start, start), own.start, own.end));
      }
    }
  }
  const guard = tree.child(clause, 'guard');
  if (guard >= 0) operands.push(...lowerAll(state, tree.namedChildren(guard)));
  then.push(...lowerStatements(state, tree.child(clause, 'consequence')));
  const test = operation('match', operands, start, end);
  return { kind: 'branch', test, then, otherwise: [], start, end };
}

/** A name without dots that is not the wildcard, and no class: those stand in a dotted name before a bracket. */
function isCapture({ tree }: PythonLowering, node: number): boolean {
  const text = tree.text(node);
  const around = tree.source[tree.start(node) - 1];
  const behind = tree.source[tree.end(node)];
  return text !== '_' && around !== '.' && behind !== '.' && behind !== '(' && behind !== '=';
}
