/** Starts a shell of this machine, unsandboxed, with the streams of an Execution: to test the driver by itself. */
import { spawn } from 'node:child_process';
import type { StartShell } from '../../src/sandbox/shell.ts';

export const startLocally: StartShell = (argv, cwd) => {
  const [program = 'sh', ...args] = argv;
  const child = spawn(program, args, {
    stdio: 'pipe',
    detached: true,
    ...(cwd === undefined ? {} : { cwd }),
  });
  child.stdin.on('error', () => {});
  const result = new Promise((resolve) => {
    child.once('exit', (code, signal) =>
      resolve({ status: signal === null ? (code ?? 0) << 8 : 9 }),
    );
  });
  const kill = (): void => {
    try {
      process.kill(-(child.pid as number), 'SIGKILL');
    } catch {
      // It has ended already.
    }
  };
  return { stdin: child.stdin, stdout: child.stdout, stderr: child.stderr, result, kill } as never;
};
