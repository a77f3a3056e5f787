/** `caisson eval`. */
import { basename } from 'node:path';
import { Caisson } from '../../compose.ts';
import { CaissonError } from '../../core/error.ts';
import { parseBytes, parseDuration } from '../../core/units.ts';
import type { EvalLanguage, EvalOptions } from '../../functions/eval-source.ts';
import type { Evaluation } from '../../sandbox/evaluation.ts';
import { callerEnvironment } from '../caller-environment.ts';
import { claimsOf, trustOf } from '../claims.ts';
import type { Action, FlagValues, Report } from '../command.ts';
import { CommandTelemetry, tracedBy } from '../command-telemetry.ts';
import { environmentOf } from '../environment.ts';
import type { EvalFlags } from '../eval-flags.ts';
import { evalInput } from '../eval-input.ts';
import { evalSourceOf } from '../eval-source-of.ts';
import { holdPolicyFiles } from '../hold-policy-files.ts';
import { acceptedOf, placeOf } from '../place.ts';
import { preopensOf, withPreopens } from '../preopens.ts';
import { report } from '../report-outcome.ts';
import { readWhole } from '../signed-code.ts';
import { toJson } from '../to-json.ts';
import { writeAll } from '../write-all.ts';

type Values = FlagValues<EvalFlags>;

export const action: Action<EvalFlags> = async ({ flags, positionals, argv, json }) => {
  const language = positionals[0] as EvalLanguage;
  const source = evalSourceOf(language, positionals[1], flags.file);
  const input = await evalInput(flags);
  const preopens = preopensOf(flags.dir);
  const files: string[] = [];
  const asked = await placeOf(flags, undefined, (path) => files.push(path));
  const held = holdPolicyFiles(asked.policy, asked.workspace, files);
  const isEngine = isEngineLanguage(language);
  if (isEngine && language !== 'wasm' && flags.workspace !== undefined)
    requireNone(flags.workspace);
  const { workspace, ...behind } = asked;
  const place = {
    ...behind,
    ...(isEngine || workspace === undefined ? {} : { workspace }),
    policy: withPreopens(held, preopens, workspace),
  };
  const wasm = wasmOf(language, flags, preopens);
  const file = flags.file === undefined ? undefined : basename(flags.file);
  const claims = claimsOf(flags, held, file);
  const env = environmentOf(flags);
  const interrupt = new AbortController();
  const abort = (): void => interrupt.abort();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, abort);
  await using telemetry = await CommandTelemetry.open(flags);
  const traced = tracedBy(telemetry);
  await using caisson = await Caisson.open({
    environment: callerEnvironment(),
    ...traced.open,
    ...trustOf(flags),
  });
  const evaluation = await caisson.eval(language, source, {
    ...place,
    ...traced.call,
    ...input,
    ...limitsOf(flags),
    ...(wasm === undefined ? {} : { wasm }),
    ...(claims === undefined ? {} : { claims }),
    ...(Object.keys(env).length === 0 ? {} : { env }),
    ...(argv.length === 0 ? {} : { words: argv }),
    ...(flags.export === undefined ? {} : { export: flags.export }),
    accept: acceptedOf(flags),
    signal: interrupt.signal,
  });
  const isCommand =
    language === 'python' ||
    language === 'shell' ||
    (language === 'wasm' && flags.export === undefined);
  return await told(evaluation, isCommand, json);
};

/** An engine has no files: of a WASM module, those of its `--dir`, which may lie in the workspace. */
function isEngineLanguage(language: EvalLanguage): boolean {
  return language === 'javascript' || language === 'typescript' || language === 'wasm';
}

/** @throws REQUEST_INVALID */
function requireNone(workspace: string): void {
  if (workspace === 'none') return;
  throw new CaissonError('REQUEST_INVALID', {
    layer: 'cli',
    message: 'javascript and typescript have no files, and so no workspace',
    hint: 'hand in what it needs by --input; python and shell have a workspace',
  });
}

/** What was asked for by name holds above what an evaluation has by default; the policy has it too. */
function limitsOf(flags: Values): Pick<EvalOptions, 'timeoutMs' | 'cpuMs' | 'memoryBytes'> {
  const { timeout, memory, 'cpu-time': cpuTime } = flags;
  return {
    ...(timeout === undefined ? {} : { timeoutMs: parseDuration(timeout) }),
    ...(cpuTime === undefined ? {} : { cpuMs: parseDuration(cpuTime) }),
    ...(memory === undefined ? {} : { memoryBytes: parseBytes(memory) }),
  };
}

function wasmOf(
  language: EvalLanguage,
  { fuel, deterministic, certificate }: Values,
  preopens: Readonly<Record<string, string>>,
): EvalOptions['wasm'] {
  const named = Object.keys(preopens).length > 0;
  const given = [fuel, deterministic, certificate].some((value) => value !== undefined);
  if (!named && !given) return undefined;
  if (language !== 'wasm') {
    throw new CaissonError('REQUEST_INVALID', {
      layer: 'cli',
      message: `--dir, --fuel, --deterministic and --certificate are for wasm, not for ${language}`,
      hint: '--read makes a file or directory visible to python and shell',
    });
  }
  return {
    preopens,
    ...(fuel === undefined ? {} : { fuel: BigInt(fuel) }),
    ...(certificate === undefined ? {} : { certificate: readWhole(certificate) }),
    ...(deterministic === undefined ? {} : { deterministic: { seed: deterministic } }),
  };
}

/** The guest's streams to ours, then its value; what a command printed is its value already. */
async function told(evaluation: Evaluation, isCommand: boolean, json: boolean): Promise<Report> {
  const { value } = evaluation;
  const text = isCommand || value === undefined ? undefined : jsonOf(value);
  const reported = report({ outcome: evaluation });
  if (json) {
    jsonOf(value ?? null);
    return reported;
  }
  await writeAll(1, evaluation.stdout.bytes);
  await writeAll(2, evaluation.stderr.bytes);
  if (!isCommand || evaluation.error?.name === 'Trap') await writeAll(2, thrownText(evaluation));
  return { ...reported, ...(text === undefined ? {} : { text }) };
}

/** @throws GUEST_FAILED for a value that JSON cannot say */
function jsonOf(value: unknown): string {
  try {
    return toJson(value);
  } catch (cause) {
    const [why = ''] = (cause as Error).message.split('\n');
    throw new CaissonError('GUEST_FAILED', {
      layer: 'cli',
      message: `the value cannot be shown as JSON: ${why}`,
      hint: 'return what JSON can say',
      cause,
    });
  }
}

/** Where, what and from where, as a person reads it; words of the guest's. */
function thrownText({ error }: Evaluation): string {
  if (error === undefined) return '';
  const { name, message, stack, position } = error;
  const said = `${name}: ${message}`;
  if (position !== undefined) {
    const { file, line, column, excerpt } = position;
    return `${file}:${line}:${column}\n${excerpt}\n${said}\n`;
  }
  return `${stack?.includes(message) === true ? stack : [said, ...(stack === undefined ? [] : [stack])].join('\n')}\n`;
}
