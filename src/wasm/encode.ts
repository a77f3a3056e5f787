/** From a {@link Module} to bytes: every number in its shortest form, no empty sections. */
import {
  type Body,
  externalKinds,
  type GlobalType,
  type Import,
  type Limits,
  type Module,
  type TableType,
  type Verbatim,
} from './module.ts';
import { HEADER, type SectionName, sections } from './sections.ts';
import { Writer } from './writer.ts';

export function encode(module: Module): Uint8Array {
  const out = new Writer(1024);
  for (const byte of HEADER) out.byte(byte);
  for (const name of Object.keys(sections) as SectionName[]) {
    const content = new Writer(256);
    if (name !== 'custom' && name !== 'tag') writers[name](content, module);
    if (content.length > 0) out.byte(sections[name]).u32(content.length).append(content);
    for (const custom of module.customSections) {
      if (custom.after !== name) continue;
      const section = new Writer(custom.content.length + 32).name(custom.name);
      section.bytes(custom.content);
      out.byte(sections.custom).u32(section.length).append(section);
    }
  }
  return out.finish();
}

/** Each writes nothing where there is nothing. */
const writers: Record<Exclude<SectionName, 'custom' | 'tag'>, (out: Writer, m: Module) => void> = {
  type: (out, { types }) =>
    vector(out, types, ({ parameters, results }) => {
      out.byte(0x60).u32(parameters.length);
      for (const type of parameters) out.byte(type);
      out.u32(results.length);
      for (const type of results) out.byte(type);
    }),
  import: (out, { imports }) => vector(out, imports, (each) => writeImport(out, each)),
  function: (out, { functions }) => vector(out, functions, (type) => out.u32(type)),
  table: (out, { tables }) => vector(out, tables, (table) => writeTable(out, table)),
  memory: (out, { memories }) => vector(out, memories, (memory) => writeLimits(out, memory)),
  global: (out, { globals }) =>
    vector(out, globals, (each) => {
      writeGlobalType(out, each);
      out.bytes(each.initial);
    }),
  export: (out, { exports }) =>
    vector(out, exports, ({ name, kind, index }) =>
      out.name(name).byte(externalKinds.indexOf(kind)).u32(index),
    ),
  start: (out, { start }) => {
    if (start !== undefined) out.u32(start);
  },
  element: (out, { elements }) => verbatim(out, elements),
  'data count': (out, { dataCount }) => {
    if (dataCount !== undefined) out.u32(dataCount);
  },
  code: (out, { bodies }) => {
    const runs = new Writer();
    vector(out, bodies, (body) => writeBody(out, body, runs.clear()));
  },
  data: (out, { data }) => verbatim(out, data),
};

function vector<T>(out: Writer, elements: readonly T[], write: (element: T) => unknown): void {
  if (elements.length === 0) return;
  out.u32(elements.length);
  for (const element of elements) write(element);
}

function verbatim(out: Writer, { count, content }: Verbatim): void {
  if (count > 0) out.u32(count).bytes(content);
}

function writeImport(out: Writer, { module, name, entity }: Import): void {
  out.name(module).name(name).byte(externalKinds.indexOf(entity.kind));
  switch (entity.kind) {
    case 'function':
      out.u32(entity.type);
      break;
    case 'table':
      writeTable(out, entity.type);
      break;
    case 'memory':
      writeLimits(out, entity.type);
      break;
    case 'global':
      writeGlobalType(out, entity.type);
      break;
  }
}

function writeTable(out: Writer, { element, limits }: TableType): void {
  out.byte(element);
  writeLimits(out, limits);
}

function writeLimits(out: Writer, { minimum, maximum, shared }: Limits): void {
  out.byte((maximum === undefined ? 0 : 1) | (shared ? 2 : 0)).u32(minimum);
  if (maximum !== undefined) out.u32(maximum);
}

function writeGlobalType(out: Writer, { type, mutable }: GlobalType): void {
  out.byte(type).byte(mutable ? 1 : 0);
}

/** @param runs An empty writer: locals count among the bytes that are announced before them. */
function writeBody(out: Writer, { locals, code }: Body, runs: Writer): void {
  runs.u32(locals.length);
  for (const { count, type } of locals) runs.u32(count).byte(type);
  out
    .u32(runs.length + code.length)
    .append(runs)
    .bytes(code);
}
