/** Redirections: what is written is a use of `>` with the path; what is read is the input of a command. */
import { constant, name } from '../syntax-lowering.ts';
import type { Expression } from '../tree.ts';
import type { ShellLowering } from './lowering.ts';
import { lowerWord } from './words.ts';

/** Nothing is kept of what goes there. */
const NOWHERE = new Set(['/dev/null', '/dev/stdout', '/dev/stderr', '/dev/tty', '-']);

export function lowerRedirectedPath(state: ShellLowering, node: number): Expression[] {
  const [destination] = state.tree.childrenIn(node, 'destination');
  return destination === undefined ? [] : [lowerWord(state, destination)];
}

/** What is read by redirections of a command; the last one counts. */
export function inputOf(
  state: ShellLowering,
  redirects: readonly number[],
): Expression | undefined {
  let input: Expression | undefined;
  for (const redirect of redirects) input = readBy(state, redirect) ?? input;
  return input;
}

function readBy(state: ShellLowering, node: number): Expression | undefined {
  const { tree } = state;
  const type = tree.typeName(node);
  if (type === 'herestring_redirect') {
    const word = tree.namedChildren(node).findLast((child) => tree.field(child) !== 'descriptor');
    return word === undefined ? undefined : lowerWord(state, word);
  }
  if (type === 'heredoc_redirect') return hereDocument(state, node);
  if (type !== 'file_redirect' || signOf(state, node) !== '<') return undefined;
  const start = tree.start(node);
  const args = lowerRedirectedPath(state, node);
  const callee = name('<', start, start);
  return { kind: 'call', form: 'command', callee, args, start, end: tree.end(node) };
}

function hereDocument(state: ShellLowering, node: number): Expression | undefined {
  const { tree } = state;
  const parts = tree.namedChildren(node);
  const body = parts.find((child) => tree.typeName(child) === 'heredoc_body');
  const mark = parts.find((child) => tree.typeName(child) === 'heredoc_start');
  if (body === undefined) return undefined;
  const literal = mark !== undefined && /["'\\]/.test(tree.text(mark));
  if (literal) return constant(tree.text(body), tree.start(body), tree.end(body));
  return lowerWord(state, body);
}

/** `>`, `>>`, `&>`, `<` …; of `<>` it is the last that the grammar knows. */
function signOf({ tree }: ShellLowering, node: number): string {
  const sign = tree.children(node).find((child) => !tree.isNamed(child));
  return sign === undefined ? '' : tree.text(sign);
}

/** What a command prints goes where it is redirected to. */
export function writtenTo(
  state: ShellLowering,
  value: Expression,
  redirects: readonly number[],
): Expression {
  const { tree } = state;
  let input = value;
  for (const redirect of redirects) {
    if (tree.typeName(redirect) !== 'file_redirect' || !signOf(state, redirect).includes('>'))
      continue;
    const [destination] = tree.childrenIn(redirect, 'destination');
    if (destination === undefined || tree.typeName(destination) === 'number') continue;
    const path = lowerWord(state, destination);
    if (path.kind === 'constant' && NOWHERE.has(String(path.value))) continue;
    const start = tree.start(redirect);
    const callee = name('>', start, start);
    const end = tree.end(destination);
    input = { kind: 'call', form: 'command', callee, args: [path], input, start, end };
  }
  return input;
}
