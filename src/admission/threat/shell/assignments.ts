/** Assignments, and the commands that declare variables. */
import { bind, constant, evaluate, name } from '../syntax-lowering.ts';
import type { Expression, Statement } from '../tree.ts';
import { commandOf } from './commands.ts';
import type { ShellLowering } from './lowering.ts';
import { lowerWord } from './words.ts';

export function lowerAssignment(
  state: ShellLowering,
  node: number,
  scope: 'function' | 'module',
): Statement {
  const { tree } = state;
  const start = tree.start(node);
  const end = tree.end(node);
  const own = tree.child(node, 'name');
  const given = tree.child(node, 'value');
  const value = given < 0 ? constant('', end, end) : lowerWord(state, given);
  if (own < 0) return evaluate(value);
  const adds = tree.children(node).some((child) => tree.text(child) === '+=');
  if (tree.typeName(own) === 'subscript') {
    const target = lowerWord(state, own);
    if (target.kind !== 'member') return evaluate(value);
    return evaluate({ kind: 'assignment', target, value, start, end });
  }
  const target = name(`$${tree.text(own)}`, tree.start(own), tree.end(own));
  if (!adds) return bind(scope, target, value, start, end);
  return evaluate({ kind: 'assignment', target, value, operator: '+', start, end });
}

/** `export`, `declare`, `local`, `readonly`, `typeset`, `unset`. */
export function lowerDeclaration(state: ShellLowering, node: number): Statement[] {
  const { tree } = state;
  const start = tree.start(node);
  const end = tree.end(node);
  const [keyword] = tree.children(node);
  const command = keyword === undefined ? '' : tree.text(keyword);
  const isLocal = state.functions > 0 && command !== 'export' && command !== 'readonly';
  const lowered: Statement[] = [];
  const words: Expression[] = [];
  let assigns = false;
  for (const child of tree.namedChildren(node)) {
    if (child === keyword) continue;
    const type = tree.typeName(child);
    if (type === 'variable_assignment') {
      assigns = true;
      lowered.push(lowerAssignment(state, child, isLocal ? 'function' : 'module'));
      const own = tree.child(child, 'name');
      if (own >= 0 && tree.typeName(own) === 'variable_name') {
        const at = tree.end(child);
        const parts = [constant(`${tree.text(own)}=`, at, at), name(`$${tree.text(own)}`, at, at)];
        words.push({ kind: 'joined', parts, start: at, end: at });
      }
    } else if (type === 'variable_name') {
      const text = tree.text(child);
      words.push(constant(text, tree.start(child), tree.end(child)));
      if (isLocal && command !== 'unset') {
        lowered.push(bind('function', name(`$${text}`, start, start), undefined, start, end));
      }
    } else words.push(lowerWord(state, child));
  }
  const tells = command === 'export' || !assigns;
  if (!tells || isLocal || command === 'unset') return lowered;
  const callee = constant(command, start, start + command.length);
  lowered.push(evaluate(commandOf(callee, words, undefined, start, end, 0)));
  return lowered;
}
