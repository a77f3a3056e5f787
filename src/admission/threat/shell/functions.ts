/** Functions of a shell: what they are given stands in `$1`, `$2` …, or all of it in `$@`. */
import { bind, constant, member, name } from '../syntax-lowering.ts';
import type { Pattern, Statement } from '../tree.ts';
import type { ShellLowering } from './lowering.ts';
import { lowerStatements } from './statements.ts';
import { returning } from './substitutions.ts';

const POSITIONAL = /\$\{?([1-9]|[@*])/g;
const ALL = '$@';

export function lowerFunction(state: ShellLowering, node: number): Statement {
  const { tree } = state;
  const start = tree.start(node);
  const end = tree.end(node);
  const own = tree.child(node, 'name');
  const body = tree.child(node, 'body');
  const text = own < 0 ? '' : tree.text(own);
  const inner = state.inside('functions', () => lowerStatements(state, body < 0 ? [] : [body]));
  const { parameters, before } = parametersOf(state, node);
  return {
    kind: 'define',
    name: text,
    value: {
      kind: 'function',
      name: text,
      parameters,
      body: [...before, ...returning(inner)],
      arrow: true,
      start,
      end,
    },
    start,
    end,
  };
}

function parametersOf(
  { tree }: ShellLowering,
  node: number,
): { parameters: Pattern[]; before: Statement[] } {
  const start = tree.start(node);
  const used = new Set([...tree.text(node).matchAll(POSITIONAL)].map(([, which = '']) => which));
  const all = used.delete('@') || used.has('*');
  used.delete('*');
  const numbers = [...used].map(Number);
  if (!all) {
    const last = Math.max(0, ...numbers);
    const names = Array.from({ length: last }, (_, index) => name(`$${index + 1}`, start, start));
    return { parameters: names, before: [] };
  }
  const list = name(ALL, start, start);
  const before = numbers.map((number) => {
    const item = member(name(ALL, start, start), constant(number - 1, start, start), start, start);
    return bind('function', name(`$${number}`, start, start), item, start, start);
  });
  before.push(bind('function', name('$*', start, start), name(ALL, start, start), start, start));
  return { parameters: [{ kind: 'rest-pattern', target: list, start, end: start }], before };
}
