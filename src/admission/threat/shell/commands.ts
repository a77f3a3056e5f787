/** Simple commands: the program, its words, what is assigned before it and what is redirected. */
import { constant, name } from '../syntax-lowering.ts';
import type { Call, Expression } from '../tree.ts';
import type { ShellLowering } from './lowering.ts';
import { inputOf, writtenTo } from './redirections.ts';
import { lowerCommandName, lowerWord } from './words.ts';
import { startedBy } from './wrappers.ts';

const SYSTEM_DIRECTORIES = /^\/(?:usr\/(?:local\/)?)?s?bin\/([^/]+)$/;
/** `sudo env nohup …`: more are not looked through. */
const MOST_WRAPPERS = 8;

/** By whatever path it is called. */
export function programName(text: string): string {
  if (text === '.') return 'source';
  return SYSTEM_DIRECTORIES.exec(text)?.[1] ?? text;
}

const named = (word: Expression): Expression =>
  word.kind === 'constant' && typeof word.value === 'string'
    ? name(programName(word.value), word.start, word.end)
    : word;

export function lowerCommand(
  state: ShellLowering,
  node: number,
  redirects: readonly number[] = [],
  piped?: Expression,
): Expression {
  const { tree } = state;
  const start = tree.start(node);
  const end = tree.end(node);
  const own = tree.child(node, 'name');
  const all = [...tree.childrenIn(node, 'redirect'), ...redirects];
  const words = tree
    .namedChildren(node)
    .filter((child) => tree.field(child) === 'argument')
    .map((child) => lowerWord(state, child));
  // Words may stand behind the mark of a here-document, too: `cat <<EOF -n`.
  for (const redirect of all) {
    if (tree.typeName(redirect) !== 'heredoc_redirect') continue;
    words.push(...tree.childrenIn(redirect, 'argument').map((child) => lowerWord(state, child)));
  }
  const callee = own < 0 ? constant('', start, start) : lowerCommandName(state, own);
  const call = commandOf(callee, words, inputOf(state, all) ?? piped, start, end, 0);
  const before = assignmentsBefore(state, node);
  const whole = before.length === 0 ? call : { ...call, named: before };
  return writtenTo(state, whole, all);
}

function assignmentsBefore(state: ShellLowering, node: number): NonNullable<Call['named']> {
  const { tree } = state;
  return tree.namedChildren(node).flatMap((child) => {
    if (tree.typeName(child) !== 'variable_assignment') return [];
    const own = tree.child(child, 'name');
    const value = tree.child(child, 'value');
    if (own < 0) return [];
    const end = tree.end(child);
    return [
      {
        name: tree.text(own),
        value: value < 0 ? constant('', end, end) : lowerWord(state, value),
      },
    ];
  });
}

/** A call of a program; one that starts another has the call of that as its last argument. */
export function commandOf(
  first: Expression,
  words: readonly Expression[],
  input: Expression | undefined,
  start: number,
  end: number,
  depth: number,
): Call {
  const own = named(first);
  // Without a program to start it prints what `printenv` prints.
  const printsAll = own.kind === 'name' && own.name === 'env' && words.length === 0;
  const callee = printsAll ? name('printenv', own.start, own.end) : own;
  const plain: Call = { kind: 'call', form: 'command', callee, args: words, input, start, end };
  if (callee.kind !== 'name' || depth >= MOST_WRAPPERS) return plain;
  const texts = words.map((word) =>
    word.kind === 'constant' && typeof word.value === 'string' ? word.value : undefined,
  );
  const at = startedBy(callee.name, texts);
  const inner = words[at];
  if (inner === undefined) return plain;
  // What is read by xargs becomes words of what it starts.
  const given = words.slice(at + 1);
  const isXargs = callee.name === 'xargs' || callee.name === 'parallel';
  const rest = isXargs && input !== undefined ? [...given, input] : given;
  const passed = isXargs ? undefined : input;
  const started = commandOf(inner, rest, passed, inner.start, end, depth + 1);
  return { ...plain, args: [...words.slice(0, at), started], input: undefined };
}
