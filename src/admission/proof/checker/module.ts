/** The sections of a module, in one pass: what they declare is what the certificate says, in that order. */
import { assemble } from '../../../wasm/assemble.ts';
import { defaultBounds } from '../../../wasm/bounds.ts';
import { sectionReaders } from '../../../wasm/decode.ts';
import { Draft } from '../../../wasm/draft.ts';
import { type Inspection, inspect, showLimits, showTable } from '../../../wasm/inspect.ts';
import { valueTypes } from '../../../wasm/module.ts';
import { HEADER, type SectionName, sectionName, sectionRank } from '../../../wasm/sections.ts';
import type { StrictReader } from '../../../wasm/strict-reader.ts';
import { BodyCheck, NOT_COVERED } from './body.ts';
import type { Certificate } from './certificate.ts';
import { type Obligation, violated } from './violation.ts';

const COUNTERS = ['caisson.fuel', 'caisson.stack'];

export function checkModule(reader: StrictReader, certificate: Certificate): void {
  if (HEADER.some((byte) => reader.byte() !== byte))
    violated('structure', 0, 'no core module of version 1');
  const draft = new Draft({ ...defaultBounds, locals: 50_000 });
  for (let last = 0; !reader.atEnd; ) {
    const start = reader.position;
    const id = reader.byte();
    const section = sectionName(id);
    // The name section stands behind all others: it is the only one of its kind.
    const rank = section === 'custom' ? Number.POSITIVE_INFINITY : sectionRank(section ?? 'custom');
    if (section === undefined || section === 'tag')
      violated('structure', start, `section ${id} is not covered`);
    if (rank <= last) violated('structure', start, `section ${id} is out of order`);
    if (section === 'start') violated('counters', start, 'a start function has no fuel');
    last = rank;
    const outer = reader.enter();
    reader.section = section;
    // Other custom sections mean something to some engines.
    if (section === 'custom' && reader.name() !== 'name') violated('structure', start, 'custom');
    if (section === 'custom') reader.take(reader.end - reader.position);
    else if (section === 'code') readCode(reader, draft, certificate);
    else sectionReaders[section](reader, draft);
    reader.leave(outer);
    checkDeclared(section, draft, certificate, start);
  }
  for (const section of ['import', 'table', 'memory', 'export', 'function'] as const)
    checkDeclared(section, draft, certificate, reader.end);
  checkCounters(draft, certificate, reader.end);
}

function readCode(reader: StrictReader, draft: Draft, certificate: Certificate): void {
  const body = new BodyCheck(reader, draft, certificate);
  const count = reader.count('bodies', draft.functions.length);
  for (let index = 0; index < count; index++) body.check(index);
}

function checkDeclared(
  section: SectionName,
  draft: Draft,
  certificate: Certificate,
  at: number,
): void {
  const { functions, imports, exports, memories, tables, opcodes } = certificate;
  for (const feature of NOT_COVERED)
    if (draft.features.has(feature)) violated('structure', at, `${feature}: not covered`);
  // Heights of operands are doubled where there are vectors: the opcodes say so before there is code.
  if (draft.features.has('SIMD') && (opcodes.at(-1) ?? 0) < 0xfd00)
    violated('opcodes', at, 'a vector');
  const limits = [...draft.allMemories, ...draft.allTables.map((table) => table.limits)];
  if (limits.some(({ maximum }) => maximum === undefined)) violated('memory', at, 'no maximum');
  const declared: Partial<Record<SectionName, () => [Obligation, unknown[], unknown[]]>> = {
    import: () => ['imports', inspect(draft).imports.map(showImport), imports],
    table: () => ['tables', draft.tables.map(showTable), tables.map((each) => `table ${each}`)],
    memory: () => ['memory', draft.memories.map(showLimits), memories],
    export: () => ['exports', draft.exports.map((e) => [e.name, `${e.kind} ${e.index}`]), exports],
    function: () => ['structure', [draft.functions.length], [functions.length]],
  };
  const [obligation, found, said] = declared[section]?.() ?? ['structure', [], []];
  const differs = found.findIndex((each, i) => `${each}` !== `${said[i]}`);
  if (JSON.stringify(found) !== JSON.stringify(said))
    violated(obligation, at, `${found[differs]}; the certificate says ${said[differs]}`);
}

function showImport({ module, name, kind, type }: Inspection['imports'][number]) {
  return [module, name, type.startsWith(kind) ? type : `${kind} ${type}`];
}

/** The last two globals, by no other name: all others keep their numbers. */
function checkCounters(
  { globals, allGlobals, exports }: Draft,
  { stack }: Certificate,
  at: number,
) {
  const first = allGlobals.length - COUNTERS.length;
  const initial = [
    assemble(['i64.const', 0], 'end'),
    assemble(['i32.const', stack.counted], 'end'),
  ];
  const shown = exports.filter(({ kind, index }) => kind === 'global' && index >= first);
  for (const [i, type] of [valueTypes.i64, valueTypes.i32].entries()) {
    const global = globals.at(i - COUNTERS.length);
    const isCounter = global?.mutable === true && global.type === type;
    const isExported = shown.some(({ name, index }) => name === COUNTERS[i] && index === first + i);
    if (
      !isCounter ||
      `${[...global.initial]}` !== `${initial[i]}` ||
      !isExported ||
      shown.length !== 2
    )
      violated('counters', at, `${COUNTERS[i]} is not there alone, as it has to be`);
  }
}
