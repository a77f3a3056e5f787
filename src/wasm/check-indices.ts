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
  const there = (what: string, wanted: number, size: number): void => {
    if (wanted >= size) throw read.reader.malformed(`there is no ${what} ${wanted}`, read.start);
  };
  const memory = (): void => there('memory', 0, draft.allMemories.length);
  const data = (): void => {
    if (draft.dataCount === undefined)
      throw read.reader.malformed(`${read.instruction.name} without a data count`, read.start);
    there('data segment', index, draft.dataCount);
  };
  switch (read.instruction.immediate) {
    case 'label':
      there('label', index, depth);
      break;
    case 'labels':
      for (const label of read.labels) there('label', label, depth);
      break;
    case 'function':
      there('function', index, draft.functionTypes.length);
      break;
    case 'indirect call':
      there('type', index, draft.types.length);
      there('table', second, draft.allTables.length);
      if (second > 0) draft.uses('reference types', read.reader, read.start);
      return;
    case 'local':
      there('local', index, locals);
      break;
    case 'global':
      there('global', index, draft.allGlobals.length);
      break;
    case 'table':
      there('table', index, draft.allTables.length);
      break;
    case 'two tables':
      there('table', index, draft.allTables.length);
      there('table', second, draft.allTables.length);
      break;
    case 'element and table':
      there('element segment', index, draft.elements.count);
      there('table', second, draft.allTables.length);
      break;
    case 'element':
      there('element segment', index, draft.elements.count);
      break;
    case 'data':
      data();
      break;
    case 'data and memory':
      data();
      memory();
      break;
    case 'memory':
    case 'two memories':
    case 'memory argument':
    case 'memory argument and lane':
      memory();
      break;
    case 'block type':
      if (read.blockType < 0) return;
      draft.uses('multi-value', read.reader, read.start);
      there('type', read.blockType, draft.types.length);
      break;
  }
}
