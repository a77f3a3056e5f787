/** Runs a command, in a sandbox that stays or in one of its own. */
import { z } from 'zod';
import { CaissonError } from '../../core/error.ts';
import { interpreterCommand } from '../../functions/interpreter.ts';
import type { ExecOptions } from '../../sandbox/exec-options.ts';
import type { McpSandbox } from '../mcp-sandbox.ts';
import { renderOutcome } from '../render-outcome.ts';
import type { SandboxPlace } from '../sandbox-places.ts';
import { type ToolAnswer, type ToolCall, tool } from '../tool.ts';
import { longText, outcomeSchema, path, runShape, words } from '../tool-schemas.ts';

const MiB = 2 ** 20;

export const runCommand = tool({
  name: 'run_command',
  title: 'Run a command in a sandbox',
  description:
    'Runs one command behind isolation and answers with its exit code, its output, what it was refused and what to ask for instead. Give either argv (a program and its words, read by no shell) or command (a line for sh). Each call is a process of its own: variables and the working directory do not stay, files do where `sandbox` names an open sandbox.',
  input: z.strictObject({
    argv: words()
      .min(1)
      .optional()
      .describe('Program and arguments: ["python3", "-m", "pytest"]. No shell reads them.'),
    command: longText().min(1).optional().describe('A line or script for sh, instead of argv.'),
    cwd: path()
      .optional()
      .describe('Directory inside to run in; default: the workspace, else /tmp.'),
    env: z
      .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/), longText().max(32 * 1024))
      .refine((names) => Object.keys(names).length <= 64, { error: 'more than 64 variables' })
      .optional()
      .describe('Variables of this command, beside those that the policy sets.'),
    ...runShape,
  }),
  output: outcomeSchema,
  annotations: {
    readOnlyHint: false,
    destructiveHint: false,
    idempotentHint: false,
    openWorldHint: true,
  },
  call: async (args, call) => {
    const { argv, input } = commandOf(args);
    const { cwd, env } = args;
    return await runIn(argv, args, call, {
      input,
      ...(cwd === undefined ? {} : { cwd }),
      ...(env === undefined ? {} : { env }),
    });
  },
});

export interface RunPlace {
  readonly sandbox?: string | undefined;
  readonly workspace?: 'overlay' | 'private' | undefined;
  readonly timeout_ms?: number | undefined;
  readonly memory_mb?: number | undefined;
}

/** A command where the call says, with its outcome as the answer. */
export async function runIn(
  argv: readonly string[],
  where: RunPlace,
  { session, setup, signal }: ToolCall,
  options: ExecOptions,
): Promise<ToolAnswer> {
  const { sandbox: id, timeout_ms: timeoutMs } = where;
  const env = { ...setup.environment, ...options.env };
  const bounded = { ...options, env, signal, ...(timeoutMs === undefined ? {} : { timeoutMs }) };
  const run = async (sandbox: McpSandbox, { policy }: SandboxPlace): Promise<ToolAnswer> => {
    const outcome = await sandbox.exec(argv, bounded);
    return renderOutcome(outcome, { policy, sandbox: id, setup });
  };
  if (id !== undefined) {
    requireKeptAsItIs(where);
    const kept = session.kept(id);
    using _ = kept.use();
    return await run(kept.sandbox, kept.place);
  }
  return await session.throwAway(placeOf(where), signal, run);
}

export function placeOf({ workspace, memory_mb: memory }: RunPlace) {
  return { workspace, memoryBytes: memory === undefined ? undefined : memory * MiB };
}

/** @throws REQUEST_INVALID */
function requireKeptAsItIs({ workspace, memory_mb: memory }: RunPlace): void {
  if (workspace === undefined && memory === undefined) return;
  throw invalid(
    'workspace and memory_mb were decided when the sandbox was opened',
    'leave them out, or give them to open_sandbox',
  );
}

interface Given {
  readonly argv?: readonly string[] | undefined;
  readonly command?: string | undefined;
  readonly stdin?: string | undefined;
}

/** @throws REQUEST_INVALID */
function commandOf({ argv, command, stdin = '' }: Given): {
  argv: readonly string[];
  input: string | Uint8Array;
} {
  if (command !== undefined && argv === undefined) {
    return interpreterCommand('shell', command, [], stdin === '' ? undefined : stdin);
  }
  if (argv === undefined || command !== undefined) {
    const what = argv === undefined ? 'there is no command' : 'there are two commands';
    throw invalid(what, 'give argv, or command');
  }
  if (argv[0] === '') throw invalid('the name of the program is empty', 'name one in argv[0]');
  return { argv, input: stdin };
}

function invalid(message: string, hint: string): CaissonError {
  return new CaissonError('REQUEST_INVALID', { layer: 'mcp', message, hint });
}
