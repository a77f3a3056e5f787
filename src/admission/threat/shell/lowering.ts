/** What is kept while shell is lowered. */
import { SyntaxLowering } from '../syntax-lowering.ts';

/** Holds what is piped or redirected into a compound command, for `read` within it. */
export const INPUT = '%input';

export class ShellLowering extends SyntaxLowering {
  /** How many are around. */
  functions = 0;
  /** Compound commands around that something is piped or redirected into. */
  inputs = 0;

  inside<Result>(kind: 'functions' | 'inputs', lower: () => Result): Result {
    this[kind]++;
    const result = lower();
    this[kind]--;
    return result;
  }
}
