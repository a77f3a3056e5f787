/** Words of a shell: quotes, expansions and substitutions put together. */
import { constant, member, name, operation, through } from '../syntax-lowering.ts';
import type { Constant, Expression } from '../tree.ts';
import { lowerExpansion } from './expansions.ts';
import type { ShellLowering } from './lowering.ts';
import { unquoteAnsi, unquoteDouble, unquoteWord } from './quoting.ts';
import { lowerSubstitution } from './substitutions.ts';

/** One value; texts beside each other are one constant. */
export function lowerWord(state: ShellLowering, node: number): Expression {
  const { tree } = state;
  return joined(mergeTexts(lowerParts(state, node)), tree.start(node), tree.end(node));
}

export function lowerWords(state: ShellLowering, nodes: readonly number[]): Expression[] {
  return nodes.map((node) => lowerWord(state, node));
}

function joined(parts: readonly Expression[], start: number, end: number): Expression {
  const [only] = parts;
  if (only === undefined) return constant('', start, end);
  if (parts.length > 1) return { kind: 'joined', parts, start, end };
  return only.kind === 'constant' ? { ...only, start, end } : only;
}

function mergeTexts(parts: readonly Expression[]): Expression[] {
  const merged: Expression[] = [];
  let texts: Constant[] = [];
  const flush = (): void => {
    const [first] = texts;
    const last = texts.at(-1);
    if (first !== undefined && last !== undefined) {
      const text = texts.map(({ value }) => String(value)).join('');
      merged.push(constant(text, first.start, last.end));
    }
    texts = [];
  };
  for (const part of parts) {
    if (part.kind === 'constant') texts.push(part);
    else {
      flush();
      merged.push(part);
    }
  }
  flush();
  return merged;
}

/** A command that is written with quotes or backslashes within its name hides it: its parts stay apart. */
export function lowerCommandName(state: ShellLowering, node: number): Expression {
  const { tree } = state;
  const start = tree.start(node);
  const end = tree.end(node);
  const [inner = node] = tree.namedChildren(node);
  const parts = lowerParts(state, inner);
  const texts = parts.filter((part): part is Constant => part.kind === 'constant');
  if (texts.length < parts.length) return joined(mergeTexts(parts), start, end);
  const text = texts.map(({ value }) => String(value)).join('');
  const written = tree.text(inner);
  const plain = [text, `"${text}"`, `'${text}'`].includes(written) || written === `\\${text}`;
  if (plain) return constant(text, start, end);
  const apart = texts.length > 1 ? texts : [...text].map((letter) => constant(letter, start, end));
  return { kind: 'joined', parts: apart, start, end };
}

function lowerParts(state: ShellLowering, node: number): Expression[] {
  return state.within(
    node,
    () => partsOf(state, node),
    (cut) => [cut],
  );
}

function partsOf(state: ShellLowering, node: number): Expression[] {
  const { tree } = state;
  const start = tree.start(node);
  const end = tree.end(node);
  const text = tree.text(node);
  switch (tree.typeName(node)) {
    case 'word':
    case 'command_name':
      if (!tree.isLeaf(node)) return withGaps(state, node, start, end, unquoteWord);
      return [constant(unquoteWord(text), start, end)];
    case 'raw_string':
      return [
        constant(text.slice(1, text.endsWith("'") && text.length > 1 ? -1 : undefined), start, end),
      ];
    case 'ansi_c_string':
      return [constant(unquoteAnsi(text.slice(2, -1)), start, end)];
    case 'string': {
      const closed = text.endsWith('"') && text.length > 1 ? 1 : 0;
      return quoted(withGaps(state, node, start + 1, end - closed, unquoteDouble), start, end);
    }
    case 'heredoc_body':
      return quoted(withGaps(state, node, start, end, unquoteDouble), start, end);
    case 'concatenation':
      return withGaps(state, node, start, end, unquoteWord);
    case 'translated_string':
      return tree.namedChildren(node).flatMap((child) => lowerParts(state, child));
    case 'simple_expansion':
      return [name(text, start, end)];
    case 'expansion':
      return [lowerExpansion(state, node)];
    case 'command_substitution':
    case 'process_substitution':
      return [lowerSubstitution(state, node)];
    case 'array':
      return [{ kind: 'list', items: lowerWords(state, tree.namedChildren(node)), start, end }];
    default:
      return [lowerArithmetic(state, node)];
  }
}

/** An empty text is a text. */
const quoted = (parts: Expression[], start: number, end: number): Expression[] =>
  parts.length === 0 ? [constant('', start, end)] : parts;

/** Expansions with the text that stands between them. */
function withGaps(
  state: ShellLowering,
  node: number,
  start: number,
  end: number,
  unquote: (text: string) => string,
): Expression[] {
  const { tree } = state;
  const parts: Expression[] = [];
  let at = start;
  const upTo = (place: number): void => {
    if (place > at) parts.push(constant(unquote(tree.source.slice(at, place)), at, place));
  };
  for (const child of tree.namedChildren(node)) {
    if (PLAIN.has(tree.typeName(child)) || tree.start(child) < at) continue;
    upTo(tree.start(child));
    parts.push(...lowerParts(state, child));
    at = Math.max(at, tree.end(child));
  }
  upTo(end);
  return parts;
}

const PLAIN: ReadonlySet<string> = new Set([
  'string_content',
  'heredoc_content',
  'comment',
  'variable_name',
]);
const LITERAL: ReadonlySet<string> = new Set([
  'regex',
  'extglob_pattern',
  'brace_expression',
  'test_operator',
  'file_descriptor',
  'special_variable_name',
  'heredoc_content',
  'string_content',
]);

/** What stands in `$((…))`, `((…))` and `[[ … ]]`. */
function lowerArithmetic(state: ShellLowering, node: number): Expression {
  const { tree } = state;
  const start = tree.start(node);
  const end = tree.end(node);
  const type = tree.typeName(node);
  if (type === 'variable_name') return name(`$${tree.text(node)}`, start, end);
  if (type === 'number' && tree.isLeaf(node)) return constant(tree.text(node), start, end);
  if (LITERAL.has(type)) return constant(tree.text(node), start, end);
  if (type === 'subscript') {
    const of = tree.child(node, 'name');
    const index = tree.child(node, 'index');
    if (of >= 0 && index >= 0) {
      const array = name(`$${tree.text(of)}`, tree.start(of), tree.end(of));
      return member(array, lowerWord(state, index), start, end);
    }
  }
  const operands = lowerWords(
    state,
    tree
      .namedChildren(node)
      .filter((child) => tree.field(child) !== 'operator' && tree.typeName(child) !== 'comment'),
  );
  const sign = tree.child(node, 'operator');
  if (sign >= 0 || type === 'ternary_expression') {
    const operator = sign < 0 ? '?' : tree.text(sign);
    // `+` puts texts together.
    return operation(operator === '+' ? 'plus' : operator, operands, start, end);
  }
  const [only] = operands;
  if (only !== undefined && operands.length === 1) return only;
  return through(type === 'ERROR' ? 'error' : type, operands, start, end);
}
