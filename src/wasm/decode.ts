/**
 * From bytes to a {@link Module}. Checks the structure: sections, counts, names, that every index leads somewhere, that
 * blocks are closed. What is a matter of types is left to the engine, which checks what is made of the module before
 * it runs. Time and memory are linear in the bytes; nothing recurses.
 */
import { type Bounds, defaultBounds } from './bounds.ts';
import { Draft } from './draft.ts';
import type { Module } from './module.ts';
import { refusedFeature, tooLarge } from './problem.ts';
import { readCode } from './read-code.ts';
import {
  readExports,
  readFunctions,
  readGlobals,
  readImports,
  readMemories,
  readStart,
  readTables,
  readTypes,
} from './read-declarations.ts';
import { readData, readDataCount, readElements } from './read-segments.ts';
import { Reader } from './reader.ts';
import { HEADER, type SectionName, sectionName, sectionRank } from './sections.ts';

/** By section, custom ones and tags aside. */
export const sectionReaders: Record<
  Exclude<SectionName, 'custom' | 'tag'>,
  (reader: Reader, draft: Draft) => void
> = {
  type: readTypes,
  import: readImports,
  function: readFunctions,
  table: readTables,
  memory: readMemories,
  global: readGlobals,
  export: readExports,
  start: readStart,
  element: readElements,
  'data count': readDataCount,
  code: readCode,
  data: readData,
};

/**
 * @param bytes A binary module, version 1. It is kept by reference: do not change it afterwards.
 * @throws CaissonError `WASM_MALFORMED`, `WASM_TOO_LARGE`, `WASM_REFUSED` (a feature that is not run here), each with
 *   `details.offset` and `details.section`
 */
export function decode(bytes: Uint8Array, bounds: Bounds = defaultBounds): Module {
  const reader = new Reader(bytes);
  if (bytes.length > bounds.bytes)
    throw tooLarge('bytes', bytes.length, bounds.bytes, reader.place());
  readHeader(reader);
  const draft = new Draft(bounds);
  let last: SectionName = 'custom';
  while (!reader.atEnd) last = readSection(reader, draft, last);
  checkPairs(draft, reader);
  return draft.finish();
}

function readHeader(reader: Reader): void {
  for (const expected of HEADER) {
    const offset = reader.position;
    if (reader.byte() === expected) continue;
    if (offset === 4 && reader.bytes[6] === 1)
      throw reader.malformed('a component, where a core module is expected', offset);
    throw reader.malformed('no WebAssembly module of version 1', offset);
  }
}

/** Gives back which section stands last now, custom ones aside. */
function readSection(reader: Reader, draft: Draft, last: SectionName): SectionName {
  const offset = reader.position;
  const id = reader.byte();
  const name = sectionName(id);
  if (name === undefined) throw reader.malformed(`there is no section ${id}`, offset);
  const size = reader.u32();
  const begin = reader.position;
  reader.take(size);
  const content = new Reader(reader.bytes, begin, begin + size, name);
  if (name === 'custom') {
    readCustom(content, draft, last);
    return last;
  }
  if (sectionRank(name) <= sectionRank(last))
    throw content.malformed(`the ${name} section after the ${last} section`, offset);
  if (name === 'tag') throw refusedFeature('exceptions', undefined, content.place(offset));
  sectionReaders[name](content, draft);
  if (!content.atEnd) throw content.malformed('bytes after the end of the section');
  return name;
}

function readCustom(content: Reader, draft: Draft, after: SectionName): void {
  const { customSections, bounds } = draft;
  if (customSections.length >= bounds.customSections)
    throw tooLarge(
      'custom sections',
      customSections.length + 1,
      bounds.customSections,
      content.place(),
    );
  const name = content.name();
  customSections.push({ name, content: content.take(content.end - content.position), after });
}

/** Sections that announce one another, when one of them is missing. */
function checkPairs(draft: Draft, reader: Reader): void {
  if (draft.bodies.length !== draft.functions.length)
    throw reader.malformed(`${draft.functions.length} functions without bodies`);
  if (draft.dataCount !== undefined && draft.dataCount !== draft.data.count)
    throw reader.malformed(`${draft.dataCount} data segments are announced, none is there`);
}
