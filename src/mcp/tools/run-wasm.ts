/** Runs a module of WebAssembly in its engine, behind the wall of the policy: a command, or one of its exports. */
import { z } from 'zod';
import { CaissonError } from '../../core/error.ts';
import { shownWord } from '../guest-text.ts';
import { renderOutcome } from '../render-outcome.ts';
import { type ToolCall, tool } from '../tool.ts';
import { longText, outcomeSchema, path, runShape, sandboxId, words } from '../tool-schemas.ts';
import { withoutEngine } from './run-code.ts';
import { placeOf } from './run-command.ts';

const MODULE_MAX = 16 * 1024 * 1024;
const { timeout_ms, memory_mb, stdin } = runShape;

export const runWasm = tool({
  name: 'run_wasm',
  title: 'Run WebAssembly in an engine',
  description:
    'Runs a module of WebAssembly in an engine of its own: no files, no network, nothing left afterwards. Give the module as base64, or `sandbox` and `path` of the file that was built in an open sandbox. Without `export` it is a command of WASI (_start) with words and stdin; with `export` that function is called with `arguments`, and its result is the value.',
  input: z.strictObject({
    module: longText().min(1).optional().describe('The module in binary, as base64.'),
    sandbox: sandboxId()
      .optional()
      .describe('Id of the open sandbox in which the file of the module is, with path.'),
    path: path().optional().describe('File of the module in that sandbox; at most 16 MiB.'),
    export: z.string().min(1).max(256).optional().describe('Function to call.'),
    arguments: z
      .array(z.unknown())
      .max(64)
      .optional()
      .describe('Of that function, as JSON: numbers, or text of digits for an i64.'),
    words: words().optional().describe('Words for a command, after its name.'),
    stdin,
    timeout_ms,
    memory_mb,
  }),
  output: outcomeSchema,
  annotations: {
    readOnlyHint: false,
    destructiveHint: false,
    idempotentHint: true,
    openWorldHint: false,
  },
  call: async (args, call) => {
    const { setup, session, signal } = call;
    const { export: name, arguments: input, words: more, stdin: text } = args;
    requireOneKind(args);
    const source = await moduleOf(args, call);
    const { memoryBytes } = placeOf(args);
    const policy = setup.places.engine({ memoryBytes });
    const evaluated = setup.caisson.eval('wasm', source, {
      policy,
      accept: setup.accept,
      tenant: session.tenant,
      signal,
      ...(name === undefined ? {} : { export: name, input: input ?? [] }),
      ...(more === undefined ? {} : { words: more }),
      ...(text === undefined ? {} : { stdin: text }),
      ...(args.timeout_ms === undefined ? {} : { timeoutMs: args.timeout_ms }),
      ...(memoryBytes === undefined || policy.limits.memoryBytes === null
        ? {}
        : { memoryBytes: policy.limits.memoryBytes }),
    });
    const evaluation = await evaluated.catch((error: unknown) => {
      throw withoutEngine(error);
    });
    // What a command printed is shown as that; as its value it would stand there twice.
    const { value, ...rest } = evaluation;
    const shown = name === undefined || value === undefined ? rest : { ...rest, value };
    return renderOutcome(shown, { policy, sandbox: undefined, setup, isEngine: true });
  },
});

interface Given {
  readonly module?: string | undefined;
  readonly sandbox?: string | undefined;
  readonly path?: string | undefined;
}

/** @throws REQUEST_INVALID */
async function moduleOf(
  { module, sandbox, path: file }: Given,
  { session }: ToolCall,
): Promise<Uint8Array> {
  if (module !== undefined && sandbox === undefined && file === undefined) {
    const bytes = Buffer.from(module, 'base64');
    // Node leaves out what is no base64; another module than was sent is not to be run.
    if (bytes.toString('base64').replace(/=+$/, '') === module.replace(/=+$/, '')) return bytes;
    throw invalid('the module is no base64', 'encode its bytes anew, without blanks');
  }
  if (module !== undefined || sandbox === undefined || file === undefined) {
    throw invalid(
      'there is no one module',
      'give module, or sandbox and path of the file that it is in',
    );
  }
  const kept = session.kept(sandbox);
  using _ = kept.use();
  const bytes = await kept.sandbox.files.readPart(file, 0, MODULE_MAX + 1);
  if (bytes.length <= MODULE_MAX) return bytes;
  throw invalid(`${shownWord(file)} is larger than 16 MiB`, 'build it smaller, or strip it');
}

/** @throws REQUEST_INVALID */
function requireOneKind(args: {
  readonly export?: string | undefined;
  readonly arguments?: unknown;
  readonly words?: unknown;
  readonly stdin?: unknown;
}): void {
  const isCall = args.export !== undefined;
  if (isCall ? args.words === undefined && args.stdin === undefined : args.arguments === undefined)
    return;
  throw invalid(
    isCall ? 'an export takes neither words nor stdin' : 'a command takes no arguments of values',
    'arguments are for export; words and stdin for a command, without export',
  );
}

function invalid(message: string, hint: string): CaissonError {
  return new CaissonError('REQUEST_INVALID', { layer: 'mcp', message, hint });
}
