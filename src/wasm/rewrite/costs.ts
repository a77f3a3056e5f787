/** What instructions cost. */
import { CaissonError } from '../../core/error.ts';
import { allInstructions } from '../instructions.ts';
import { type Locals, slotsOf } from '../module.ts';

/** By name, as the text format has it; where nothing is said 1, but for what takes much longer. */
export type Costs = Readonly<Record<string, number>>;
/** By opcode. */
export type CostTable = (code: number) => number;

/** They mark places and come to no machine code. */
const FREE = new Set(['nop', 'block', 'loop', 'else', 'end']);
/** For these an engine leaves the guest's code, whatever the length: measured in V8, 1 for about a nanosecond. */
const SLOW: Costs = {
  'memory.grow': 1000,
  'memory.fill': 100,
  'table.set': 100,
  'table.grow': 100,
  'table.fill': 100,
  'table.copy': 100,
  'table.init': 100,
};
/** As many locals are set to zero in the time of an instruction, each time their function is entered. */
const LOCALS_FOR_ONE = 8;
const MOST = 1_000_000;

/** Everything else costs something: a free branch would be an endless loop for nothing. */
export function costTable(costs: Costs): CostTable {
  const known = new Map(allInstructions().map(({ name, code }) => [name, code]));
  const byCode = new Map<number, number>();
  for (const name of FREE) byCode.set(known.get(name) ?? -1, 0);
  for (const [name, cost] of Object.entries({ ...SLOW, ...costs })) {
    const code = known.get(name);
    const fits = Number.isInteger(cost) && cost >= 1 && cost <= MOST;
    if (code === undefined || FREE.has(name) || !fits)
      throw new CaissonError('REQUEST_INVALID', {
        layer: 'wasm',
        message: `${name}: ${cost} is not the cost of an instruction`,
        hint: `write names such as i64.div_s, other than ${[...FREE].join(', ')}, and whole numbers from 1 to ${MOST}`,
      });
    byCode.set(code, cost);
  }
  return (code) => byCode.get(code) ?? 1;
}

/** What entering a function costs beside its instructions. */
export function costOfLocals(locals: readonly Locals[]): number {
  const slots = locals.reduce((sum, { count, type }) => sum + count * slotsOf(type), 0);
  return Math.floor(slots / LOCALS_FOR_ONE);
}
