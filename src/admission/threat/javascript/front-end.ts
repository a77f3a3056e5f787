/**
 * Source of JavaScript to the tree that is analysed: as a module, as a script, with JSX; and where none of these
 * parses it, by a parser that goes on after errors, so that one broken line does not hide the rest.
 */
import { parse as parseLoosely } from 'acorn-loose';
import { type ESTree, type Options, parse } from 'meriyah';
import type { ProgramTree } from '../tree.ts';
import { Lowering } from './lowering.ts';
import { lowerStatements } from './statements.ts';

const OPTIONS: Options = {
  next: true,
  webcompat: true,
  ranges: { start: true, end: true },
  // Whether a pattern is a valid one is nothing that is asked here.
  validateRegex: false,
  globalReturn: true,
};

const WAYS: readonly Options[] = [
  { ...OPTIONS, sourceType: 'module' },
  { ...OPTIONS, sourceType: 'script' },
  { ...OPTIONS, sourceType: 'module', jsx: true },
];

/** UTF-16 units; the tolerant parser takes fifteen times as long. */
const LARGEST_TOLERATED = 512 * 1024;

/** @throws what the last parser throws: RangeError where the source is nested too deeply for it */
export function lower(source: string): ProgramTree {
  const comments: { start: number; end: number }[] = [];
  const problems: ProgramTree['problems'][number][] = [];
  const program = parseSource(source, comments, problems);
  const state = new Lowering();
  const body = lowerStatements(state, program.body as readonly ESTree.Node[]);
  return {
    body,
    depth: state.deepest,
    nodes: state.nodes,
    problems: [...problems, ...state.problems],
    comments,
  };
}

const NO_PROGRAM = { type: 'Program', sourceType: 'script', body: [] } as unknown as ESTree.Program;

/** Data alone does nothing. */
function isJson(source: string): boolean {
  if (!/^\s*[[{"]/.test(source)) return false;
  try {
    JSON.parse(source);
    return true;
  } catch {
    return false;
  }
}

function parseSource(
  source: string,
  comments: { start: number; end: number }[],
  problems: ProgramTree['problems'][number][],
): ESTree.Program {
  const onComment = ((_type: string, _value: string, start: number, end: number): void => {
    comments.push({ start, end });
  }) as NonNullable<Options['onComment']>;
  let failed: unknown;
  for (const way of WAYS) {
    comments.length = 0;
    try {
      return parse(source, { ...way, onComment });
    } catch (error) {
      if (error instanceof RangeError) throw error;
      failed ??= error;
    }
  }
  if (isJson(source)) return NO_PROGRAM;
  if (source.length > LARGEST_TOLERATED) throw failed;
  const { start = 0, message } = failed as { start?: number; message: string };
  problems.push({ message, start, end: Math.min(source.length, start + 1) });
  comments.length = 0;
  return parseLoosely(source, {
    ecmaVersion: 'latest',
    allowReturnOutsideFunction: true,
    onComment: (_isBlock, _text, from, to) => comments.push({ start: from, end: to }),
  }) as unknown as ESTree.Program;
}
