/**
 * cBPF as seccomp takes it (seccomp(2), linux/filter.h): instructions, their bytes, and an assembler.
 */

/** `struct sock_filter`. */
export interface Instruction {
  readonly code: number;
  readonly jt: number;
  readonly jf: number;
  readonly k: number;
}

export const INSTRUCTION_BYTES = 8;
/** BPF_MAXINSNS; the launcher's PLAN_FILTER_MAX. */
export const MAX_INSTRUCTIONS = 4096;

/** The only operations that our filters are made of. */
export const op = {
  /** A = 32 bits of seccomp_data at k. BPF_LD | BPF_W | BPF_ABS */
  load: 0x20,
  /** A &= k. BPF_ALU | BPF_AND | BPF_K */
  and: 0x54,
  /** BPF_JMP | BPF_JA */
  jump: 0x05,
  /** BPF_JMP | BPF_JEQ | BPF_K */
  jumpEqual: 0x15,
  /** BPF_JMP | BPF_JGE | BPF_K, unsigned */
  jumpAtLeast: 0x35,
  /** BPF_RET | BPF_K */
  ret: 0x06,
} as const;

/** Offsets in `struct seccomp_data`; an argument's low half comes first on little-endian machines. */
export const offset = {
  number: 0,
  arch: 4,
  argumentLow: (argument: number): number => 16 + 8 * argument,
} as const;

/** SECCOMP_RET_*. */
export const ret = {
  killProcess: 0x80000000,
  allow: 0x7fff0000,
  userNotif: 0x7fc00000,
  errno: 0x00050000,
} as const;

const FARTHEST = 255;

/** A place in a program, counted from its end: cBPF jumps only forward, so what is jumped to is there first. */
export type Label = number;

/**
 * Puts a program together from its end to its beginning, so that every distance is known when a jump is written.
 * Conditional jumps reach 255 instructions; what lies beyond is reached by a stepping stone put in between.
 */
export class Assembler {
  /** Last instruction first. */
  readonly #reversed: Instruction[] = [];
  readonly #returns = new Map<number, Label>();

  /** A place that returns `value`: a known one within reach, else a new one. */
  ret(value: number): Label {
    const known = this.#returns.get(value);
    // Two less: the jump itself, and a stepping stone for its other branch.
    if (known !== undefined && this.#distance(known) <= FARTHEST - 2) return known;
    const label = this.#put({ code: op.ret, jt: 0, jf: 0, k: value });
    this.#returns.set(value, label);
    return label;
  }

  load(at: number, next: Label): Label {
    return this.#straight({ code: op.load, jt: 0, jf: 0, k: at }, next);
  }

  and(mask: number, next: Label): Label {
    return this.#straight({ code: op.and, jt: 0, jf: 0, k: mask }, next);
  }

  jumpEqual(value: number, yes: Label, no: Label): Label {
    return this.#conditional(op.jumpEqual, value, yes, no);
  }

  jumpAtLeast(value: number, yes: Label, no: Label): Label {
    return this.#conditional(op.jumpAtLeast, value, yes, no);
  }

  finish(): readonly Instruction[] {
    return this.#reversed.toReversed();
  }

  #conditional(code: number, k: number, yes: Label, no: Label): Label {
    if (yes === no) return yes;
    const nearYes = this.#near(yes);
    const nearNo = this.#near(no);
    return this.#put({ code, jt: this.#distance(nearYes), jf: this.#distance(nearNo), k });
  }

  /** One less than the farthest, as the other branch may put a stepping stone of its own. */
  #near(target: Label): Label {
    return this.#distance(target) <= FARTHEST - 1 ? target : this.#jump(target);
  }

  #jump(target: Label): Label {
    return this.#put({ code: op.jump, jt: 0, jf: 0, k: this.#distance(target) });
  }

  /** An instruction without a jump goes on with the one after it. */
  #straight(instruction: Instruction, next: Label): Label {
    if (this.#distance(next) !== 0) this.#jump(next);
    return this.#put(instruction);
  }

  /** From an instruction put now to `target`. */
  #distance(target: Label): number {
    return this.#reversed.length - target - 1;
  }

  #put(instruction: Instruction): Label {
    return this.#reversed.push(instruction) - 1;
  }
}

/** As the kernel reads it: u16 code, u8 jt, u8 jf, u32 k, little-endian. */
export function encodeProgram(program: readonly Instruction[]): Uint8Array {
  const bytes = new Uint8Array(program.length * INSTRUCTION_BYTES);
  const view = new DataView(bytes.buffer);
  program.forEach(({ code, jt, jf, k }, index) => {
    const at = index * INSTRUCTION_BYTES;
    view.setUint16(at, code, true);
    view.setUint8(at + 2, jt);
    view.setUint8(at + 3, jf);
    view.setUint32(at + 4, k, true);
  });
  return bytes;
}

export function decodeProgram(bytes: Uint8Array): readonly Instruction[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.byteLength / INSTRUCTION_BYTES }, (_, index) => {
    const at = index * INSTRUCTION_BYTES;
    return {
      code: view.getUint16(at, true),
      jt: view.getUint8(at + 2),
      jf: view.getUint8(at + 3),
      k: view.getUint32(at + 4, true),
    };
  });
}
