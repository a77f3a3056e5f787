/** `caisson run`. */

import type { Action } from '../command.ts';
import type { RunFlags } from '../flags.ts';
import { runCommand } from '../run-command.ts';

export const action: Action<RunFlags> = (invocation) =>
  runCommand(invocation, { ctrlCTwice: true });
