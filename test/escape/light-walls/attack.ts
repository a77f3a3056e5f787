/** One program that an attacker sends to a light wall, and the ways in which it may end. */
import type {
  EvaluateOptions,
  Evaluation,
  OutcomeKind,
  ProgramSource,
} from '../../../src/index.ts';

export interface Attack {
  readonly name: string;
  readonly language: 'javascript' | 'typescript' | 'wasm';
  readonly source: ProgramSource;
  /** Limits that are not named here are the attacker's: see `limits`. */
  readonly options?: EvaluateOptions;
  /** Every other one is a fault of ours. */
  readonly ends: readonly OutcomeKind[];
  /** What must hold besides. Throws. */
  readonly check?: (evaluation: Evaluation) => void;
}

/** Of every attack: small, so that each is over soon. */
export const limits = {
  memoryBytes: 64 * 2 ** 20,
  cpuMs: 400,
  timeoutMs: 1500,
} as const;
