/**
 * Whether what an instruction names is there. Rewriting relies on it: it adds locals, globals and types at the end, and
 * code that named one before it existed would reach what was added.
 */
import type { Draft } from './draft.ts';
import type { InstructionReader } from './instruction-reader.ts';

/** @param depth Blocks open around the instruction, the function's own among them. */
export function checkIndices(
  read: InstructionReader,
  draft: Draft,
  locals: number,
  depth: number,
): void {
  const { index, second } = read;
  switch (read.instruction.immediate) {
    case 'label':
      mustBe(read, 'label', index, depth);
      break;
    case 'labels':
      for (const label of read.labels) mustBe(read, 'label', label, depth);
      break;
    case 'function':
      mustBe(read, 'function', index, draft.functionTypes.length);
      break;
    case 'indirect call':
      mustBe(read, 'type', index, draft.types.length);
      mustBe(read, 'table', second, draft.allTables.length);
      break;
    case 'local':
      mustBe(read, 'local', index, locals);
      break;
    case 'global':
      mustBe(read, 'global', index, draft.allGlobals.length);
      break;
    case 'table':
      mustBe(read, 'table', index, draft.allTables.length);
      break;
    case 'two tables':
      mustBe(read, 'table', index, draft.allTables.length);
      mustBe(read, 'table', second, draft.allTables.length);
      break;
    case 'element and table':
      mustBe(read, 'element segment', index, draft.elements.count);
      mustBe(read, 'table', second, draft.allTables.length);
      break;
    case 'element':
      mustBe(read, 'element segment', index, draft.elements.count);
      break;
    case 'data':
      mustBeData(read, draft);
      break;
    case 'data and memory':
      mustBeData(read, draft);
      mustBe(read, 'memory', 0, draft.allMemories.length);
      break;
    case 'memory':
    case 'two memories':
    case 'memory argument':
    case 'memory argument and lane':
      mustBe(read, 'memory', 0, draft.allMemories.length);
      break;
    case 'block type':
      if (read.blockType < 0) break;
      draft.uses('multi-value', read.reader, read.start);
      mustBe(read, 'type', read.blockType, draft.types.length);
  }
}

function mustBe({ reader, start }: InstructionReader, what: string, index: number, size: number) {
  if (index >= size) throw reader.malformed(`there is no ${what} ${index}`, start);
}

/** Data segments come after the code, so that their count has to be announced before it. */
function mustBeData(read: InstructionReader, { dataCount }: Draft): void {
  const { name } = read.instruction;
  if (dataCount === undefined)
    throw read.reader.malformed(`${name} without a data count`, read.start);
  mustBe(read, 'data segment', read.index, dataCount);
}
