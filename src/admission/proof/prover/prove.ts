/**
 * From a module to one that is instrumented and a certificate for it. What it says is checked by others
 * (../check-proof.ts): an error here makes a certificate that is refused, never one that is wrong and taken.
 */
import { createHash } from 'node:crypto';
import { refuseFeatures } from '../../../wasm/check-features.ts';
import { decode } from '../../../wasm/decode.ts';
import { encode } from '../../../wasm/encode.ts';
import { inspect } from '../../../wasm/inspect.ts';
import {
  allTables,
  type Export,
  functionTypes,
  type Limits,
  type Module,
} from '../../../wasm/module.ts';
import { boundStack } from '../../../wasm/rewrite/bound-stack.ts';
import { canonicalizeNans } from '../../../wasm/rewrite/canonicalize-nans.ts';
import { clampLimits } from '../../../wasm/rewrite/clamp-limits.ts';
import { deferStart } from '../../../wasm/rewrite/defer-start.ts';
import { FrameSlots } from '../../../wasm/rewrite/frame-slots.ts';
import { typesByFunction } from '../../../wasm/rewrite/map-bodies.ts';
import { meterFuel } from '../../../wasm/rewrite/meter-fuel.ts';
import { refuseReserved } from '../../../wasm/rewrite/reserved-exports.ts';
import { nameOfType } from '../../../wasm/value-types.ts';
import type { Certificate } from '../checker/certificate.ts';
import { calleesFirst } from './callees-first.ts';
import { boundsOf, calledBy, callsIndirectly, type FuelBounds } from './fuel-bounds.ts';
import { shorten } from './shorten.ts';

export interface ProveOptions {
  /** Pages of 64 KiB that the memory may grow to, where the module does not say less; default 1024 (64 MiB). */
  readonly memoryPages?: number;
  /** Elements that each table may grow to, where the module does not say less; default 65,536. */
  readonly tableElements?: number;
  /** Slots of 8 bytes for the frames that count themselves; default 65,536, what Caisson gives a guest. */
  readonly stackSlots?: number;
  /** NaNs become canonical: the same results on every processor. Default false. */
  readonly deterministic?: boolean;
}

export interface Proved {
  readonly module: Uint8Array;
  readonly certificate: Uint8Array;
}

/** Frames that are not counted take up to this, with all that they call: 2 % of a guest's stack. */
const MOST_UNCOUNTED = 1024;

/**
 * @throws CaissonError `WASM_MALFORMED`, `WASM_TOO_LARGE`, `WASM_REFUSED` (also for tail calls, threads and relaxed SIMD),
 *   `REQUEST_INVALID` for options that are none
 */
export function prove(bytes: Uint8Array, options: ProveOptions = {}): Proved {
  const given = decode(bytes);
  refuseFeatures(given, ['tail calls', 'threads', 'relaxed SIMD']);
  refuseReserved(given);
  const { memoryPages = 1024, tableElements = 65_536, stackSlots = 65_536 } = options;
  const short = shorten(deferStart(clampLimits(given, { memoryPages, tableElements })));
  const bounds = boundsOf(short.module);
  const ahead = (index: number) => bounds.turns[index] ?? new Map<number, never>();
  let metered = meterFuel(short.module, { ahead });
  if (options.deterministic) metered = canonicalizeNans(metered);
  const ranks = ranksOf(metered);
  const bounded = boundStack(metered, stackSlots, (index) => (ranks[index] ?? 0) > 0);
  const module = encode(withNamesAlone(bounded));
  const opcodes = new Set(options.deterministic ? shorten(metered).opcodes : short.opcodes);
  // Where frames are counted, a return becomes a branch.
  if (opcodes.has(0x0f)) opcodes.add(0x0c);
  // Vectors are declared by their opcodes: v128.const for those that are never computed with.
  if (short.module.features.has('SIMD')) opcodes.add(0xfd0c);
  const certificate = certify(bounded, module, {
    opcodes,
    ranks,
    bounds,
    stackSlots,
  });
  return { module, certificate: new TextEncoder().encode(JSON.stringify(certificate)) };
}

/** Other custom sections mean something to some engines. */
function withNamesAlone(module: Module): Module {
  const names = module.customSections.filter(({ name }) => name === 'name').slice(0, 1);
  return { ...module, customSections: names.map((each) => ({ ...each, after: 'data' })) };
}

/** Slots that a function takes with all that it calls; 0 where that is not known or too much. */
function ranksOf(module: Module): number[] {
  const imported = functionTypes(module).length - module.functions.length;
  const types = typesByFunction(module);
  const frames = new FrameSlots(module);
  const callees = module.bodies.map((body) => calledBy(body).map((callee) => callee - imported));
  const ranks = module.bodies.map(() => 0);
  for (const index of calleesFirst(ranks.length, (each) => callees[each] ?? [])) {
    const [body, type] = [module.bodies[index], types[index + imported]];
    if (body === undefined || type === undefined || callsIndirectly(body)) continue;
    const below = (callees[index] ?? [])
      .filter((callee) => callee >= 0)
      .map((callee) => ranks[callee] || Number.POSITIVE_INFINITY);
    const rank = frames.frameOf(body, type).slots + below.reduce((a, b) => Math.max(a, b), 0);
    if (rank <= MOST_UNCOUNTED) ranks[index] = rank;
  }
  return ranks;
}

interface Facts {
  readonly opcodes: ReadonlySet<number>;
  readonly ranks: readonly number[];
  readonly bounds: FuelBounds;
  readonly stackSlots: number;
}

function certify(module: Module, bytes: Uint8Array, facts: Facts): Certificate {
  const { ranks, bounds } = facts;
  const { imports, exports, memories, tables } = inspect(module);
  const own = <T>(all: readonly T[], kind: string): T[] =>
    all.slice(imports.filter((each) => each.kind === kind).length);
  const limits = ({ minimum, maximum }: Limits): string => `${minimum}..${maximum ?? ''}`;
  const types = allTables(module).map(
    (each) => `${nameOfType(each.element)} ${limits(each.limits)}`,
  );
  return {
    format: 'wasm-pcc/v1',
    subject: createHash('sha256').update(bytes).digest('hex'),
    imports: imports.map(({ module: from, name, kind, type }) => [
      from,
      name,
      type.startsWith(kind) ? type : `${kind} ${type}`,
    ]),
    exports: exports.map(({ name }, i) => {
      const { kind, index } = module.exports[i] as Export;
      return [name, `${kind} ${index}`];
    }),
    memories: own(memories, 'memory').map(limits),
    tables: own(types, 'table').slice(0, tables.length),
    opcodes: [...facts.opcodes].sort((a, b) => a - b),
    stack: { counted: facts.stackSlots, uncounted: ranks.reduce((a, b) => Math.max(a, b), 0) },
    functions: module.bodies.map((_, i) => [ranks[i] ?? 0, bounds.fuels[i] ?? 0]),
    loops: bounds.turns.flatMap((loops, index) =>
      [...loops]
        .map(([loop, { local, turns }]): Certificate['loops'][number] => [
          index,
          loop,
          local,
          turns,
        ])
        .sort((a, b) => a[1] - b[1]),
    ),
  };
}
