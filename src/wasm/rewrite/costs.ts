/** What instructions cost. */
import { CaissonError } from '../../core/error.ts';
import { allInstructions } from '../instructions.ts';

/** By name, as the text format has it; 1 where nothing is said. */
export type Costs = Readonly<Record<string, number>>;
/** By opcode. */
export type CostTable = (code: number) => number;

/** They mark places and come to no machine code. */
const FREE = new Set(['nop', 'block', 'loop', 'else', 'end']);
const MOST = 1_000_000;

/** Everything else costs something: a free branch would be an endless loop for nothing. */
export function costTable(costs: Costs): CostTable {
  const known = new Map(allInstructions().map(({ name, code }) => [name, code]));
  const byCode = new Map<number, number>();
  for (const name of FREE) byCode.set(known.get(name) ?? -1, 0);
  for (const [name, cost] of Object.entries(costs)) {
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
