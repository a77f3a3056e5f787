/**
 * A source of any language that is known here, with an input and a value. JavaScript, TypeScript and WebAssembly go to
 * their engine; Python and shell are commands, behind the wall that the policy's level asks for.
 */
import type { WasmOptions } from '../backends/program.ts';
import { CaissonError } from '../core/error.ts';
import type { Outcome } from '../core/outcome.ts';
import { checkOptions } from '../policy/known-options.ts';
import type { Policy } from '../policy/policy.ts';
import type { Evaluation } from '../sandbox/evaluation.ts';
import type { EvaluateLimits, EvaluateOptions } from '../sandbox/evaluator.ts';
import type { PlaceOptions } from '../sandbox/place-options.ts';
import type { PolicyInput } from '../sandbox/policy-book.ts';
import type { EngineLanguage, ProgramSource } from '../sandbox/program.ts';
import {
  type CommandLanguage,
  errorOf,
  interpreterCommand,
  isCommandLanguage,
  withoutInterpreter,
} from './interpreter.ts';
import { EVAL } from './option-kinds.ts';

export type EvalLanguage = EngineLanguage | CommandLanguage;

export interface EvalOptions extends Omit<EvaluateOptions, 'args'>, PlaceOptions {
  /**
   * A value of JSON. To JavaScript and TypeScript it is the one argument of the export; to an export of WASM its
   * arguments where it is an array. A command (Python, shell, WASM without `export`) reads it as JSON from its stdin.
   */
  readonly input?: unknown;
  /** Bytes for the stdin of a command, instead of `input`. */
  readonly stdin?: string | Uint8Array;
  /** Variables of a command, beside what the policy passes on. */
  readonly env?: Readonly<Record<string, string>>;
  /** Words for a command: `sys.argv[1:]`, `$1` and on, `argv[1]` and on. */
  readonly words?: readonly string[];
  /** Of Python and shell alone; refused where there is an engine, which has no files. */
  readonly workspace?: string;
}

/** What it is carried out by: a Caisson. */
export interface Evals {
  evaluate(
    language: EngineLanguage,
    source: ProgramSource,
    options: EvaluateOptions & PlaceOptions,
  ): Promise<Evaluation>;
  run(
    argv: readonly string[],
    options: PlaceOptions & {
      readonly input: string | Uint8Array;
      readonly env?: Readonly<Record<string, string>>;
      readonly timeoutMs?: number;
      readonly signal?: AbortSignal;
    },
    source: { readonly language: CommandLanguage; readonly text: string },
  ): Promise<Outcome>;
  policy(input: PolicyInput): Promise<{ readonly policy: Policy }>;
}

const LANGUAGES: readonly EngineLanguage[] = ['javascript', 'typescript', 'wasm'];

/** @throws REQUEST_INVALID, COMMAND_NOT_FOUND where an interpreter is missing, and what `evaluate` and `run` throw */
export async function evalSource(
  caisson: Evals,
  language: EvalLanguage,
  source: ProgramSource,
  options: EvalOptions,
): Promise<Evaluation> {
  checkOptions(options, 'eval', EVAL, 'functions');
  if (isCommandLanguage(language)) return await runSource(caisson, language, source, options);
  if (!LANGUAGES.includes(language)) {
    const names = [...LANGUAGES, 'python', 'shell'].join(', ');
    throw invalid(
      `${JSON.stringify(language)} is no language that is known here`,
      `there are: ${names}`,
    );
  }
  if (language === 'wasm') return await evaluateWasm(caisson, source, options);
  const { input, stdin: _, words: __, env: ___, ...rest } = options;
  refuseCommandOptions(language, options);
  const args = input === undefined ? [] : [input];
  return await caisson.evaluate(language, source, { ...rest, args });
}

async function runSource(
  caisson: Evals,
  language: CommandLanguage,
  source: ProgramSource,
  options: EvalOptions,
): Promise<Evaluation> {
  const text = textOf(language, source);
  const command = interpreterCommand(language, text, options.words ?? [], stdinOf(options));
  refuseEngineOptions(language, options);
  const {
    policy = 'strict',
    workspace,
    accept,
    allowUnisolated,
    tenant,
    claims,
    timeoutMs,
    signal,
  } = options;
  const limited = limitedPolicy((await caisson.policy(policy)).policy, options);
  let outcome: Outcome;
  try {
    const place = {
      policy: limited ?? policy,
      input: command.input,
      ...(workspace === undefined ? {} : { workspace }),
      ...(accept === undefined ? {} : { accept }),
      ...(allowUnisolated === undefined ? {} : { allowUnisolated }),
      ...(tenant === undefined ? {} : { tenant }),
      ...(claims === undefined ? {} : { claims }),
      ...(options.env === undefined ? {} : { env: options.env }),
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      ...(signal === undefined ? {} : { signal }),
    };
    outcome = await caisson.run(command.argv, place, { language, text });
  } catch (error) {
    throw withoutInterpreter(language, error);
  }
  if (outcome.kind !== 'exited') return outcome;
  if (outcome.code !== 0) return { ...outcome, error: errorOf(language, outcome) };
  return withPrinted(outcome);
}

async function evaluateWasm(
  caisson: Evals,
  source: ProgramSource,
  options: EvalOptions,
): Promise<Evaluation> {
  const { input, stdin: _, words, env, ...rest } = options;
  if (options.export !== undefined) {
    refuseCommandOptions('an export of WASM', options);
    const args = input === undefined ? [] : Array.isArray(input) ? input : [input];
    return await caisson.evaluate('wasm', source, { ...rest, args });
  }
  const stdin = stdinOf(options);
  const wasm: WasmOptions = {
    ...options.wasm,
    ...(words === undefined ? {} : { args: ['main.wasm', ...words] }),
    ...(env === undefined ? {} : { env }),
    ...(stdin === undefined ? {} : { stdin: Buffer.from(stdin) }),
  };
  const evaluation = await caisson.evaluate('wasm', source, { ...rest, wasm });
  return evaluation.kind === 'exited' && evaluation.code === 0 && evaluation.value === undefined
    ? withPrinted(evaluation)
    : evaluation;
}

/** What a command prints is its value, where that is one document of JSON. */
function withPrinted<T extends Outcome>(outcome: T): T & Evaluation {
  if (outcome.stdout.truncated) return outcome;
  try {
    return { ...outcome, value: JSON.parse(outcome.stdout.text) };
  } catch {
    return outcome;
  }
}

function stdinOf({ input, stdin }: EvalOptions): string | Uint8Array | undefined {
  if (input === undefined) return stdin;
  if (stdin !== undefined) throw invalid('it has an input and a stdin', 'give one of them');
  let text: string | undefined;
  try {
    text = JSON.stringify(input);
  } catch (cause) {
    throw invalid(`the input is no JSON: ${(cause as Error).message}`, 'give what JSON can say');
  }
  if (text === undefined) throw invalid('the input is no JSON', 'give what JSON can say');
  return text;
}

function textOf(language: CommandLanguage, source: ProgramSource): string {
  if (typeof source === 'string') return source;
  throw invalid(`the source of ${language} is one text`, 'run several files by caisson.run');
}

function refuseEngineOptions(language: CommandLanguage, options: EvalOptions): void {
  const names = ['export', 'grants', 'keep', 'placement', 'wasm'] as const;
  const [given] = names.filter((name) => options[name] !== undefined);
  if (given === undefined) return;
  throw invalid(
    `${language} has no ${given}: it runs as a command`,
    `leave ${given} out; javascript and typescript have it`,
  );
}

function refuseCommandOptions(what: string, options: EvalOptions): void {
  const names = ['stdin', 'words', 'env'] as const;
  const [given] = names.filter((name) => options[name] !== undefined);
  if (given !== undefined) throw invalid(`${what} has no ${given}`, 'hand it in as the input');
}

/** By the policy that they were made from: the same limits are the same policy, whose sandboxes are kept ready. */
const limitedPolicies = new WeakMap<Policy, Map<string, Policy>>();

/** The policy with lower limits; nothing where they are not lower. */
function limitedPolicy(policy: Policy, { memoryBytes, cpuMs }: EvaluateLimits): Policy | undefined {
  const memory = lower('memoryBytes', memoryBytes, policy.limits.memoryBytes);
  const cpu = lower('cpuMs', cpuMs, policy.limits.cpuMs);
  if (memory === undefined && cpu === undefined) return undefined;
  const key = `${memory} ${cpu}`;
  const made = limitedPolicies.get(policy) ?? new Map<string, Policy>();
  limitedPolicies.set(policy, made);
  const limits = {
    ...policy.limits,
    ...(memory === undefined ? {} : { memoryBytes: memory, memoryHighBytes: null }),
    ...(cpu === undefined ? {} : { cpuMs: cpu }),
  };
  const limited = made.get(key) ?? Object.freeze({ ...policy, limits });
  made.set(key, limited);
  return limited;
}

function lower(name: string, asked: number | undefined, own: number | null): number | undefined {
  if (asked === undefined) return undefined;
  if (!Number.isSafeInteger(asked) || asked <= 0) {
    throw invalid(`${name} is ${asked}`, 'give a whole number above 0');
  }
  return own === null || asked < own ? asked : undefined;
}

function invalid(message: string, hint: string): CaissonError {
  return new CaissonError('REQUEST_INVALID', { layer: 'functions', message, hint });
}
