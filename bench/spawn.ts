/** Node's own `child_process.spawn`, run to its end with stdio ignore/pipe/pipe: the measure of everything here. */
import { spawn } from 'node:child_process';
import { type Contestant, proofArguments, type Ran } from './contestant.ts';

/**
 * Starts argv and waits until it is reaped and its output has been read.
 * @throws Error with the output when the exit code is not 0.
 */
export function spawnToEnd(
  argv: readonly [string, ...string[]],
  options: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv; readonly fd3?: number } = {},
): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const start = performance.now();
    const { fd3, ...rest } = options;
    const stdio = ['ignore', 'pipe', 'pipe', ...(fd3 === undefined ? [] : [fd3])] as const;
    const child = spawn(argv[0], argv.slice(1), { ...rest, stdio: [...stdio] });
    const output: Buffer[] = [];
    const errors: Buffer[] = [];
    child.stdout?.on('data', (bytes: Buffer) => output.push(bytes));
    child.stderr?.on('data', (bytes: Buffer) => errors.push(bytes));
    child.on('error', reject);
    child.on('close', (code) => {
      const ms = performance.now() - start;
      if (code === 0) resolve({ ms, stdout: Buffer.concat(output).toString() });
      else
        reject(
          new Error(
            `${argv.join(' ')} ended with ${code}: ${Buffer.concat([...output, ...errors])}`,
          ),
        );
    });
  });
}

export function plainSpawn(name: string, program: string): Contestant {
  return {
    name,
    every: 1,
    run: (turn) =>
      spawnToEnd([program, ...proofArguments(turn, turn.workspace)], {
        cwd: turn.workspace,
        env: { RUN: turn.tag },
      }),
  };
}
