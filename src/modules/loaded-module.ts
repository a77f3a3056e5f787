/** A module as it stands in memory, ready to be executed: nothing of the store is asked any more. */
import type { WasmOptions } from '../backends/program.ts';
import type { AdmissionReport } from '../core/admission.ts';
import { CaissonError } from '../core/error.ts';
import type { Policy } from '../policy/policy.ts';
import type { Evaluation } from '../sandbox/evaluation.ts';
import type { Grants } from '../sandbox/evaluator.ts';
import type { ModuleManifest } from '../store/module-record.ts';
import { programOfModule } from './check-code.ts';
import type { Ceilings, ModuleExecuteRequest } from './module-schemas.ts';
import type { Executor } from './modules-setup.ts';

export interface ModuleExecuteOptions extends ModuleExecuteRequest {
  /** js: functions of yours that it may call; default none. */
  readonly grants?: Grants;
  readonly signal?: AbortSignal;
}

/** As {@link Evaluation}; of a command without `value` and `error`. */
export interface ModuleExecution extends Evaluation {
  readonly module: { readonly id: string; readonly version: string; readonly digest: string };
  readonly admission: AdmissionReport;
}

export interface LoadedModule {
  /** `id@version` */
  readonly key: string;
  readonly manifest: ModuleManifest;
  readonly admission: AdmissionReport;
  /** From then on it is looked at again; Unix ms. */
  readonly untilMs: number;
  readonly execute: (options: ModuleExecuteOptions) => Promise<Evaluation>;
}

/** @param limitedPolicy the registry's policy with these limits */
export function loadModule(
  manifest: ModuleManifest,
  code: Uint8Array,
  context: {
    readonly admission: AdmissionReport;
    readonly untilMs: number;
    readonly isWasiCommand: boolean;
    readonly ceilings: Ceilings;
    readonly executor: Executor;
    readonly limitedPolicy: (limits: ModuleManifest['limits']) => Policy;
  },
): LoadedModule {
  const { admission, untilMs, ceilings, executor } = context;
  // Ceilings may have been lowered since it was registered.
  const limits = {
    timeoutMs: Math.min(manifest.limits.timeoutMs, ceilings.timeoutMs),
    cpuMs: Math.min(manifest.limits.cpuMs, ceilings.timeoutMs),
    memoryBytes: Math.min(manifest.limits.memoryBytes, ceilings.memoryBytes),
  };
  const key = `${manifest.id}@${manifest.version}`;
  if (manifest.kind === 'command') {
    const argv = JSON.parse(Buffer.from(code).toString()) as string[];
    const policy = context.limitedPolicy(limits);
    return {
      key,
      manifest,
      admission,
      untilMs,
      execute: (options) =>
        executeCommand(executor, [...argv, ...texts(options)], options, policy, admission),
    };
  }
  const program = programOfModule(manifest, code);
  const certificate = certificateOf(manifest);
  const isWasm = manifest.kind === 'wasm';
  return {
    key,
    manifest,
    admission,
    untilMs,
    execute: ({ args = [], export: name = manifest.export, input, grants, signal }) => {
      const isCommand = context.isWasiCommand && name === 'default';
      if (input !== undefined && !isWasm) throw noInput();
      const options = {
        ...limits,
        keep: manifest.keep,
        export: name,
        args: isCommand ? [] : args,
        ...(isWasm
          ? {
              wasm: {
                ...wasmOptions(key, input, isCommand ? texts({ args }) : []),
                ...certificate,
              },
            }
          : {}),
        ...(grants === undefined ? {} : { grants }),
        ...(signal === undefined ? {} : { signal }),
      };
      return executor.evaluate(program, options, admission);
    },
  };
}

/** For the engine, which believes nobody and checks it itself. */
export function certificateOf({
  certificate,
}: Pick<ModuleManifest, 'certificate'>): Pick<WasmOptions, 'certificate'> {
  if (certificate === undefined) return {};
  return { certificate: Uint8Array.from(Buffer.from(certificate, 'base64')) };
}

function executeCommand(
  executor: Executor,
  argv: readonly string[],
  { input, signal, grants, export: name }: ModuleExecuteOptions,
  policy: Policy,
  admission: AdmissionReport,
): Promise<Evaluation> {
  if (grants !== undefined || name !== undefined) {
    throw invalid(
      'a command has no exports, and takes no functions',
      'leave grants and export out',
    );
  }
  const given = {
    ...(input === undefined ? {} : { input }),
    ...(signal === undefined ? {} : { signal }),
  };
  return executor.run(argv, policy, given, admission);
}

function wasmOptions(
  name: string,
  input: string | Uint8Array | undefined,
  args: readonly string[],
): WasmOptions {
  const stdin = typeof input === 'string' ? Buffer.from(input) : input;
  return { args: [name, ...args], ...(stdin === undefined ? {} : { stdin }) };
}

function texts({ args = [] }: Pick<ModuleExecuteRequest, 'args'>): string[] {
  if (args.every((arg) => typeof arg === 'string')) return [...args];
  throw invalid('the arguments of a command are texts', 'hand data in as `input`');
}

function noInput(): CaissonError {
  return invalid('a js module reads no standard input', 'hand it in as an argument');
}

function invalid(message: string, hint: string): CaissonError {
  return new CaissonError('REQUEST_INVALID', { layer: 'modules', message, hint });
}
