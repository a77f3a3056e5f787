/** Element and data segments: checked, and kept as they are. */
import type { Draft } from './draft.ts';
import { readConstant } from './read-constant.ts';
import { readType } from './read-declarations.ts';
import type { Reader } from './reader.ts';
import { isReference, nameOfType } from './value-types.ts';

const PASSIVE = 1;
/** A table or memory is named; with {@link PASSIVE}: declared alone. */
const EXPLICIT = 2;
const EXPRESSIONS = 4;

/** Flags of element segments: core specification 5.5.12. */
export function readElements(reader: Reader, draft: Draft): void {
  const count = reader.count('element segments', draft.bounds.segments);
  const begin = reader.position;
  for (let left = count; left > 0; left--) readElement(reader, draft);
  draft.elements = { count, content: reader.bytes.subarray(begin, reader.position) };
}

function readElement(reader: Reader, draft: Draft): void {
  const offset = reader.position;
  const flags = reader.u32();
  if (flags > 7) throw reader.malformed(`an element segment with flags ${flags}`, offset);
  if (flags & PASSIVE) draft.uses('bulk memory', reader, offset);
  if (flags & EXPRESSIONS) draft.uses('reference types', reader, offset);
  if (!(flags & PASSIVE)) {
    const table = flags & EXPLICIT ? reader.u32() : 0;
    if (table >= draft.allTables.length)
      throw reader.malformed(`there is no table ${table}`, offset);
    readConstant(reader, draft);
  }
  if (flags & (PASSIVE | EXPLICIT)) readElementType(reader, draft, (flags & EXPRESSIONS) !== 0);
  const elements = reader.count('elements', reader.end);
  for (let left = elements; left > 0; left--) {
    if (flags & EXPRESSIONS) readConstant(reader, draft);
    else reader.index('function', draft.functionTypes.length);
  }
}

function readElementType(reader: Reader, draft: Draft, expressions: boolean): void {
  const offset = reader.position;
  if (expressions) {
    const type = readType(reader, draft);
    if (!isReference(type)) throw reader.malformed(`elements of type ${nameOfType(type)}`, offset);
  } else if (reader.byte() !== 0) throw reader.malformed('elements of no known kind', offset);
}

export function readDataCount(reader: Reader, draft: Draft): void {
  draft.uses('bulk memory', reader, reader.position);
  draft.dataCount = reader.u32();
}

export function readData(reader: Reader, draft: Draft): void {
  const offset = reader.position;
  const count = reader.count('data segments', draft.bounds.segments);
  if (draft.dataCount !== undefined && draft.dataCount !== count)
    throw reader.malformed(`${count} data segments, ${draft.dataCount} announced`, offset);
  const begin = reader.position;
  for (let left = count; left > 0; left--) readDatum(reader, draft);
  draft.data = { count, content: reader.bytes.subarray(begin, reader.position) };
}

function readDatum(reader: Reader, draft: Draft): void {
  const offset = reader.position;
  const flags = reader.u32();
  if (flags > 2) throw reader.malformed(`a data segment with flags ${flags}`, offset);
  if (flags === PASSIVE) draft.uses('bulk memory', reader, offset);
  else {
    const memory = flags === EXPLICIT ? reader.u32() : 0;
    if (memory >= draft.allMemories.length)
      throw reader.malformed(`there is no memory ${memory}`, offset);
    readConstant(reader, draft);
  }
  reader.take(reader.u32());
}
