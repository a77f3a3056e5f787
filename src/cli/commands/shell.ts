/**
 * `caisson shell`: a run that is a shell, with a terminal. Ctrl-C is the shell's own; `exit` ends it.
 */
import type { Action } from '../command.ts';
import type { RunFlags } from '../flags.ts';
import { runCommand } from '../run-command.ts';

export const action: Action<RunFlags> = (invocation) => {
  const argv = invocation.argv.length > 0 ? invocation.argv : ['/bin/sh', '-i'];
  return runCommand({ ...invocation, argv }, { ctrlCTwice: false });
};
