/** Source of JavaScript to the tree that is analysed. */
import { type ESTree, type Options, parse } from 'meriyah';
import type { ProgramTree } from '../tree.ts';
import { Lowering } from './lowering.ts';
import { lowerStatements } from './statements.ts';

const OPTIONS: Options = {
  next: true,
  webcompat: true,
  ranges: { start: true, end: true },
  validateRegex: false,
  globalReturn: true,
};

export function lower(source: string): ProgramTree {
  const comments: { start: number; end: number }[] = [];
  const onComment = (_type: string, _value: string, start: number, end: number): void => {
    comments.push({ start, end });
  };
  const program = parseSource(source, onComment as NonNullable<Options['onComment']>);
  const state = new Lowering();
  const body = lowerStatements(state, program.body as readonly ESTree.Node[]);
  return { body, depth: state.deepest, nodes: state.nodes, problems: state.problems, comments };
}

function parseSource(source: string, onComment: NonNullable<Options['onComment']>): ESTree.Program {
  try {
    return parse(source, { ...OPTIONS, sourceType: 'module', onComment });
  } catch {
    return parse(source, { ...OPTIONS, sourceType: 'script', onComment });
  }
}
