/** Shell (sh and bash): from source to the tree that is analysed. */
import { type Deadline, type Grammar, grammarNotOpen, openGrammar } from '../grammar.ts';
import type { ProgramTree } from '../tree.ts';
import { ShellLowering } from './lowering.ts';
import { lowerInto } from './statements.ts';

let grammar: Grammar | undefined;

/** Loads the grammar; needed once before {@link lower}. */
export async function open(): Promise<void> {
  grammar ??= await openGrammar('bash');
}

/**
 * Never throws for any source. What could not be parsed is in `problems`; where the time is over, what was read by then
 * is in the tree.
 */
export function lower(source: string, deadline?: Deadline): ProgramTree {
  if (grammar === undefined) throw grammarNotOpen('shell');
  const state = new ShellLowering(grammar.parse(source, deadline));
  const body: ProgramTree['body'][number][] = [];
  if (state.tree.count > 0) lowerInto(state, 0, body);
  return state.program(body);
}
