/** Python, 2 and 3: from source to the tree that is analysed. */
import { type Deadline, type Grammar, grammarNotOpen, openGrammar } from '../grammar.ts';
import type { ProgramTree } from '../tree.ts';
import { PythonLowering } from './lowering.ts';
import { lowerStatements } from './statements.ts';

let grammar: Grammar | undefined;

/** Loads the grammar; needed once before {@link lower}. */
export async function open(): Promise<void> {
  grammar ??= await openGrammar('python');
}

/**
 * Never throws for any source. What could not be parsed is in `problems`; where the time is over, what was read by then
 * is in the tree.
 */
export function lower(source: string, deadline?: Deadline): ProgramTree {
  if (grammar === undefined) throw grammarNotOpen('Python');
  const state = new PythonLowering(grammar.parse(source, deadline));
  const body = state.tree.count === 0 ? [] : lowerStatements(state, 0);
  return state.program([...state.names.declarations(0), ...body]);
}
