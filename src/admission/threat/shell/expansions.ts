/** `${…}`: variables with defaults, parts and replacements of their values. */
import { constant, member, name, operation, through } from '../syntax-lowering.ts';
import type { Expression } from '../tree.ts';
import type { ShellLowering } from './lowering.ts';
import { lowerWord } from './words.ts';

export function lowerExpansion(state: ShellLowering, node: number): Expression {
  const { tree } = state;
  const start = tree.start(node);
  const end = tree.end(node);
  const signs = tree.childrenIn(node, 'operator').map((sign) => tree.text(sign));
  const [of, ...operands] = tree
    .namedChildren(node)
    .filter((child) => tree.field(child) !== 'operator');
  if (of === undefined) return through('expansion', [], start, end);
  const value = variableOf(state, of);
  const words = operands.map((operand) => lowerWord(state, operand));
  const written = tree.source.slice(start, tree.start(of));
  if (written.includes('#')) return operation('length', [value], start, end);
  if (written.includes('!')) return operation('indirect', [value], start, end);
  const [sign = '', ...more] = signs;
  const [first, second] = words;
  switch (sign) {
    case '':
      return value;
    case ':-':
    case '-':
    case ':=':
    case '=':
      return {
        kind: 'choice',
        options: first === undefined ? [value] : [value, first],
        start,
        end,
      };
    case ':+':
    case '+': {
      const none = constant('', end, end);
      return { kind: 'choice', test: value, options: first ? [first, none] : [none], start, end };
    }
    case ':':
      if (value.kind === 'name' && isRoot(value.name, words)) return constant('/', start, end);
      return operation('substring', [value, ...words], start, end);
    case '/':
    case '//':
    case '/#':
    case '/%':
      return operation(
        sign === '//' ? 'replace-all' : 'replace',
        [value, first ?? constant('', end, end), second ?? constant('', end, end)],
        start,
        end,
      );
    case '^^':
    case ',,':
    case '^':
    case ',':
    case '#':
    case '##':
    case '%':
    case '%%':
      return operation(`expand${sign}`, [value, ...words], start, end);
    case '@':
      return through(`@${more.join('')}`, [value], start, end);
    default:
      return through(sign, [value, ...words], start, end);
  }
}

/** `${HOME:0:1}`: a way to write `/` without writing it. */
function isRoot(variable: string, words: readonly Expression[]): boolean {
  const [offset, length] = words.map((word) => (word.kind === 'constant' ? word.value : undefined));
  return /^\$(HOME|PWD|PATH|SHELL)$/.test(variable) && offset === '0' && length === '1';
}

function variableOf(state: ShellLowering, node: number): Expression {
  const { tree } = state;
  const type = tree.typeName(node);
  const start = tree.start(node);
  const end = tree.end(node);
  if (type === 'variable_name' || type === 'special_variable_name' || type === 'number') {
    return name(`$${tree.text(node)}`, start, end);
  }
  if (type !== 'subscript') return lowerWord(state, node);
  const of = tree.child(node, 'name');
  const index = tree.child(node, 'index');
  if (of < 0 || index < 0) return through('subscript', [], start, end);
  const array = name(`$${tree.text(of)}`, tree.start(of), tree.end(of));
  const text = tree.text(index);
  if (text === '@' || text === '*') return through('...', [array], start, end);
  return member(array, lowerWord(state, index), start, end);
}
