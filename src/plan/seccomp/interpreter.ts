/**
 * Runs a cBPF seccomp filter as the kernel would (net/core/filter.c, seccomp_check_filter): strict, so that a program
 * the kernel would refuse is refused here too. Tests prove the compiler with it.
 */
import { CaissonError } from '../../core/error.ts';
import { type Instruction, MAX_INSTRUCTIONS, op } from './program.ts';

/** `struct seccomp_data`. */
export interface SeccompData {
  /** 32 bits. */
  readonly number: number;
  readonly arch: number;
  readonly instructionPointer?: bigint;
  /** Up to six, 64 bits each; missing ones are 0. */
  readonly args?: readonly bigint[];
}

const DATA_BYTES = 64;

/** The SECCOMP_RET_* value and its data, and how many instructions it took. */
export function runFilter(
  program: readonly Instruction[],
  data: SeccompData,
): { readonly value: number; readonly steps: number } {
  const view = layOut(data);
  let accumulator = 0;
  let steps = 0;
  for (let at = 0; at < program.length; ) {
    const { code, jt, jf, k } = program[at] ?? fault('runs off its end');
    steps += 1;
    at += 1;
    switch (code) {
      case op.load:
        accumulator = view.getUint32(k, true);
        break;
      case op.and:
        accumulator = (accumulator & k) >>> 0;
        break;
      case op.jump:
        at += k;
        break;
      case op.jumpEqual:
        at += accumulator === k ? jt : jf;
        break;
      case op.jumpAtLeast:
        at += accumulator >= k ? jt : jf;
        break;
      case op.ret:
        return { value: k, steps };
      default:
        fault(`holds an unknown operation ${code}`);
    }
  }
  return fault('runs off its end');
}

/** What the kernel checks when a filter is loaded: known operations, aligned loads, jumps inside, a return at the end. */
export function checkFilter(program: readonly Instruction[]): void {
  if (program.length === 0 || program.length > MAX_INSTRUCTIONS) fault('is empty or too long');
  const known: ReadonlySet<number> = new Set(Object.values(op));
  program.forEach(({ code, jt, jf, k }, at) => {
    if (!known.has(code)) fault(`holds an unknown operation at ${at}`);
    if (code === op.load && (k % 4 !== 0 || k >= DATA_BYTES)) fault(`loads amiss at ${at}`);
    const farthest =
      code === op.jump
        ? k
        : code === op.jumpEqual || code === op.jumpAtLeast
          ? Math.max(jt, jf)
          : 0;
    if (at + 1 + farthest >= program.length && code !== op.ret) fault(`jumps out at ${at}`);
  });
  if (program.at(-1)?.code !== op.ret) fault('does not end in a return');
}

function layOut({ number, arch, instructionPointer = 0n, args = [] }: SeccompData): DataView {
  const view = new DataView(new ArrayBuffer(DATA_BYTES));
  view.setUint32(0, number, true);
  view.setUint32(4, arch, true);
  view.setBigUint64(8, BigInt.asUintN(64, instructionPointer), true);
  for (let index = 0; index < 6; index++) {
    view.setBigUint64(16 + 8 * index, BigInt.asUintN(64, args[index] ?? 0n), true);
  }
  return view;
}

function fault(what: string): never {
  throw new CaissonError('INTERNAL', { layer: 'plan', message: `the filter ${what}` });
}
