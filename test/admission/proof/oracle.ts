/**
 * What a module does, by means that know nothing of the proof: one counter before every single instruction, and the
 * engine's own view of the memory.
 */
import { decode } from '../../../src/wasm/decode.ts';
import { encode } from '../../../src/wasm/encode.ts';
import { allMemories } from '../../../src/wasm/module.ts';
import { countInstructions } from '../../wasm/count-instructions.ts';
import { type Exports, engine, instantiate } from '../../wasm/engine.ts';

/** Fuel and slots as the host sets them. */
export interface Given {
  readonly fuel: bigint;
  readonly slots: number;
}

export interface Observed {
  readonly ending: 'returned' | 'trapped' | 'out of fuel' | 'out of stack';
  readonly value: unknown;
  readonly used: bigint;
  /** Instructions of every kind, those of the patterns among them. */
  readonly instructions: number;
  readonly slotsLeft: number;
  readonly pages: number;
  readonly mostPages: number;
}

/**
 * Instructions that a unit of fuel pays for at most, those of the patterns among them: a call (1 unit) with what loads
 * and stores the fuel around it, its frame, and a payment.
 */
export const MOST_A_UNIT = 40;

export function observe(
  bytes: Uint8Array,
  name: string,
  args: readonly number[],
  { fuel, slots }: Given,
  prepare: (exports: Exports) => void = () => {},
): Observed {
  const counted = countInstructions(decode(bytes));
  const [memory] = allMemories(counted);
  const exports = instantiate(encode(counted), imports(bytes));
  prepare(exports);
  set(exports, 'caisson.fuel', fuel);
  set(exports, 'caisson.stack', slots);
  set(exports, 'count', 0n);
  let [value, trapped]: [unknown, boolean] = [undefined, false];
  try {
    value = exports[name]?.(...args);
  } catch (error) {
    if (!(error instanceof engine.RuntimeError) && !(error instanceof RangeError)) throw error;
    trapped = true;
  }
  const left = get(exports, 'caisson.fuel') as bigint;
  const slotsLeft = Number(get(exports, 'caisson.stack'));
  const spent = left < 0n ? 'out of fuel' : slotsLeft < 0 ? 'out of stack' : 'trapped';
  return {
    ending: trapped ? spent : 'returned',
    value,
    used: fuel - left,
    instructions: Number(get(exports, 'count')),
    slotsLeft,
    pages: (exports.memory?.buffer.byteLength ?? 0) / 65_536,
    mostPages: memory?.maximum ?? 65_536,
  };
}

/** Functions that do nothing; a guest of theirs has its own bounds all the same. */
function imports(bytes: Uint8Array): object {
  const { imports: wanted } = decode(bytes);
  const from: Record<string, Record<string, unknown>> = {};
  for (const { module, name } of wanted) from[module] = { ...from[module], [name]: () => 0 };
  return from;
}

function set(exports: Exports, name: string, value: bigint | number): void {
  (exports[name] as { value: unknown }).value = value;
}

function get(exports: Exports, name: string): unknown {
  return (exports[name] as { value: unknown }).value;
}
