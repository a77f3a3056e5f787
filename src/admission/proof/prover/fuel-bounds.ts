/** The most fuel that a call takes, of functions that never loop but in counted loops. */
import { InstructionReader } from '../../../wasm/instruction-reader.ts';
import { type Body, functionTypes, type Module } from '../../../wasm/module.ts';
import { Reader } from '../../../wasm/reader.ts';
import { costOfLocals, costTable } from '../../../wasm/rewrite/costs.ts';
import { calleesFirst } from './callees-first.ts';
import { type CountedLoop, countedLoops } from './counted-loops.ts';

export interface FuelBounds {
  readonly turns: readonly ReadonlyMap<number, CountedLoop>[];
  /** Most fuel of a call; 0: not known. */
  readonly fuels: readonly number[];
}

const UNKNOWN = /^(?:call_indirect|(?:memory|table)\.(?:grow|fill|copy|init))$/;
const costs = costTable({});

export function boundsOf(module: Module): FuelBounds {
  const imported = functionTypes(module).length - module.functions.length;
  const turns = module.bodies.map(countedLoops);
  return { turns, fuels: fuelsOf(module, turns, imported) };
}

/** Of functions without other loops than counted ones, calls of unknown functions, and lengths. */
function fuelsOf(
  { bodies }: Module,
  turns: readonly ReadonlyMap<number, CountedLoop>[],
  imported: number,
): number[] {
  const fuels = bodies.map(() => 0);
  const callees = bodies.map((body) => calledBy(body).map((callee) => callee - imported));
  for (const index of calleesFirst(bodies.length, (each) => callees[each] ?? [])) {
    const body = bodies[index];
    const isKnown = callees[index]?.every((callee) => callee < 0 || fuels[callee] !== 0);
    if (body === undefined || !isKnown || !isBounded(body, turns[index]?.size ?? 0)) continue;
    const fuel = priceOf(body, turns[index], (callee) => fuels[callee - imported] ?? 0);
    if (Number.isSafeInteger(fuel)) fuels[index] = Math.max(1, fuel);
  }
  return fuels;
}

function isBounded({ code }: Body, countedLoops: number): boolean {
  const read = new InstructionReader(new Reader(code));
  let loops = 0;
  while (read.next()) {
    const { name } = read.instruction;
    if (UNKNOWN.test(name)) return false;
    if (name === 'loop') loops++;
  }
  return loops === countedLoops;
}

/** Functions that are called by their index. */
export function calledBy(body: Body | undefined): number[] {
  const called: number[] = [];
  const read = new InstructionReader(new Reader(body?.code ?? new Uint8Array()));
  while (read.next()) if (read.instruction.name === 'call') called.push(read.index);
  return called;
}

export function callsIndirectly({ code }: Body): boolean {
  const read = new InstructionReader(new Reader(code));
  while (read.next()) if (read.instruction.name === 'call_indirect') return true;
  return false;
}

function priceOf(
  { locals, code }: Body,
  turns: ReadonlyMap<number, CountedLoop> | undefined,
  priceOfCallee: (index: number) => number,
): number {
  const read = new InstructionReader(new Reader(code));
  /** Of each open block what stood before it, and how often it runs. */
  const open: { before: number; turns: number }[] = [];
  let [price, loops] = [costOfLocals(locals), 0];
  while (read.next()) {
    const { name, code: opcode } = read.instruction;
    price += costs(opcode);
    if (name === 'call') price += priceOfCallee(read.index);
    if (name === 'block' || name === 'loop' || name === 'if') {
      open.push({ before: price, turns: name === 'loop' ? (turns?.get(loops++)?.turns ?? 1) : 1 });
      price = 0;
    }
    const ended = name === 'end' ? open.pop() : undefined;
    if (ended) price = ended.before + ended.turns * price;
  }
  return price;
}
