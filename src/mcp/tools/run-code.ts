/** Runs a source: in an engine, where it is JavaScript without a sandbox; by its interpreter inside otherwise. */
import { z } from 'zod';
import { CaissonError, isCaissonError } from '../../core/error.ts';
import { interpreterCommand, withoutInterpreter } from '../../functions/interpreter.ts';
import type { Evaluation } from '../../sandbox/evaluation.ts';
import { renderOutcome } from '../render-outcome.ts';
import { type ToolAnswer, type ToolCall, tool } from '../tool.ts';
import { longText, outcomeSchema, runShape } from '../tool-schemas.ts';
import { placeOf, type RunPlace, runIn } from './run-command.ts';

/** execve(2): one argument has 128 KiB at most, its NUL included. */
const ARGUMENT_MAX = 128 * 1024;

export const runCode = tool({
  name: 'run_code',
  title: 'Run code in a sandbox',
  description:
    'Runs a source behind isolation and answers with what it printed. python and shell run by python3 and sh. javascript and typescript run in an engine of their own (console, no files, no network, no Node modules), or, where `sandbox` is given, by the node of that sandbox. Print what you want to see. State of the interpreter does not stay between calls; files do where `sandbox` names an open sandbox.',
  input: z.strictObject({
    language: z
      .enum(['python', 'javascript', 'typescript', 'shell'])
      .describe('What the source is written in.'),
    code: longText().min(1).describe('The source.'),
    ...runShape,
  }),
  output: outcomeSchema,
  annotations: {
    readOnlyHint: false,
    destructiveHint: false,
    idempotentHint: false,
    openWorldHint: true,
  },
  call: async ({ language, code, stdin, ...where }, call) => {
    if (language === 'python' || language === 'shell') {
      const { argv, input } = interpreterCommand(language, code, [], stdin);
      try {
        return await runIn(argv, where, call, { input });
      } catch (error) {
        throw withoutInterpreter(language, error);
      }
    }
    if (where.sandbox === undefined) return await inEngine(language, code, stdin, where, call);
    return await byNode(language, code, stdin, where, call);
  },
});

async function byNode(
  language: 'javascript' | 'typescript',
  code: string,
  stdin: string | undefined,
  where: RunPlace,
  call: ToolCall,
): Promise<ToolAnswer> {
  const type = `--input-type=module${language === 'typescript' ? '-typescript' : ''}`;
  const options = stdin === undefined ? {} : { input: stdin };
  try {
    if (Buffer.byteLength(code) < ARGUMENT_MAX) {
      return await runIn(['node', type, '--eval', code], where, call, options);
    }
    if (stdin !== undefined) throw tooLong();
    return await runIn(['node', type, '-'], where, call, { input: code });
  } catch (error) {
    if (!isCaissonError(error) || error.code !== 'COMMAND_NOT_FOUND') throw error;
    throw new CaissonError('COMMAND_NOT_FOUND', {
      layer: 'mcp',
      message: `${language} in an open sandbox needs node, which is not there inside`,
      hint: 'leave `sandbox` out: then it runs in an engine of Caisson’s own, without files',
      cause: error,
    });
  }
}

function tooLong(): CaissonError {
  return new CaissonError('REQUEST_INVALID', {
    layer: 'mcp',
    message: 'a source of more than 128 KiB takes the place of stdin',
    hint: 'write it into a file with write_file, and run that',
  });
}

async function inEngine(
  language: 'javascript' | 'typescript',
  code: string,
  stdin: string | undefined,
  where: RunPlace,
  { setup, session, signal }: ToolCall,
): Promise<ToolAnswer> {
  if (stdin !== undefined) {
    throw new CaissonError('REQUEST_INVALID', {
      layer: 'mcp',
      message: `${language} in an engine has no stdin`,
      hint: 'write the data into the source, or give `sandbox`',
    });
  }
  const { memoryBytes } = placeOf(where);
  const policy = setup.places.engine({ memoryBytes });
  const evaluated = setup.caisson.evaluate(language, asModule(code), {
    policy,
    accept: setup.accept,
    tenant: session.tenant,
    signal,
    ...(where.timeout_ms === undefined ? {} : { timeoutMs: where.timeout_ms }),
    ...(memoryBytes === undefined || policy.limits.memoryBytes === null
      ? {}
      : { memoryBytes: policy.limits.memoryBytes }),
  });
  const evaluation = await evaluated.catch((error: unknown) => {
    throw withoutEngine(error);
  });
  const ranIn = { policy, sandbox: undefined, setup, isEngine: true } as const;
  return renderOutcome(withoutExport(evaluation), ranIn);
}

/** Where the engine's host cannot start, an interpreter inside often can. */
export function withoutEngine(error: unknown): unknown {
  if (!isCaissonError(error) || error.code !== 'WALL_UNAVAILABLE') return error;
  const { code, message, hint } = error;
  return new CaissonError(code, {
    layer: 'mcp',
    message,
    ...(hint === undefined ? {} : { hint }),
    details: { ...error.details, engine: true },
    cause: error,
  });
}

/** What waits at its top level is a module, whether or not it exports anything. */
function asModule(code: string): string {
  const waits = /\bawait\b/.test(code) && !/\b(?:export|import)\b/.test(code);
  // In front, on the same line: the engine tells a module by the first thing that is wrong in a script.
  return waits ? `export {}; ${code}` : code;
}

/** A program that prints and exports nothing has come to its end as well as one that returns something. */
function withoutExport(evaluation: Evaluation): Evaluation {
  const { error, kind } = evaluation;
  const isComplete = error?.message === 'the program has no export "default"; it exports nothing';
  if (kind !== 'exited' || !isComplete) return evaluation;
  const { error: _, ...rest } = evaluation;
  return { ...rest, code: 0 };
}
