/** `caisson run`. */

import type { Action } from '../command.ts';
import type { RunFlags } from '../flags.ts';
import { runCommand } from '../run-command.ts';
import type { VouchingFlags } from '../vouching-flags.ts';

export const action: Action<RunFlags & VouchingFlags> = (invocation) =>
  runCommand(invocation, { ctrlCTwice: true });
