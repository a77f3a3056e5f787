/**
 * Evaluates programs for one policy: by the engine of their language, in host processes behind the policy's own wall.
 */

import { resolve } from 'node:path';
import {
  type Evaluate,
  type EvaluateHooks,
  type EvaluationPool,
  engineOf,
  type HostKind,
  type Keep,
  type Placement,
  type Program,
  type WasmOptions,
} from '../backends/program.ts';
import { type AdmissionReport, UNCHECKED } from '../core/admission.ts';
import { CaissonError } from '../core/error.ts';
import { containsPath } from '../policy/path-set.ts';
import type { Policy } from '../policy/policy.ts';
import { type Evaluation, OutputText, toEvaluation } from './evaluation.ts';
import type { Journal } from './journal.ts';
import { beginRelease } from './release.ts';

/** A host function. What it is given and what it returns are copies; it may be async. */
// biome-ignore lint/suspicious/noExplicitAny: callers grant functions of any shape; arguments come from the guest.
export type HostFunction = (...args: any[]) => unknown;

/** Host functions by name, in groups where they belong together. */
export interface Grants {
  readonly [name: string]: HostFunction | Grants;
}

export interface EvaluateLimits {
  /** Heap and whatever else it allocates; default 128 MiB, never above the policy's. */
  readonly memoryBytes?: number;
  /** Processor time, milliseconds; default 5000, never above the policy's. */
  readonly cpuMs?: number;
  /** Milliseconds; default 30,000, never above the policy's. */
  readonly timeoutMs?: number;
}

export interface EvaluateOptions extends EvaluateLimits {
  /** Export that is called, or read where it is no function; default `default`. */
  readonly export?: string;
  /** Arguments, as structured clones. */
  readonly args?: readonly unknown[];
  /** Functions of yours that the program may call; to it each returns a promise. Default: none. */
  readonly grants?: Grants;
  /** What stays for the next evaluation of the same program. Default `nothing`. A context that is kept may begin anew at any time: it is lost with its host process. */
  readonly keep?: Keep;
  /** `process` (default): in a host process behind the policy's wall. `inline`: in this process, where a fault of V8 is a fault of yours; it must be asked for by name. */
  readonly placement?: Placement;
  readonly signal?: AbortSignal;
  /** For WASM alone. */
  readonly wasm?: WasmOptions;
  /** Compiles it and runs nothing: its value is undefined, its `error` says what does not compile and where. */
  readonly compileOnly?: true;
}

export interface EvaluatorSetup {
  readonly policy: Policy;
  readonly policyDigest: string;
  readonly journal?: Journal;
  readonly open: (needs: PoolNeeds) => Promise<EvaluationPool>;
}

/** What a pool is for. */
export interface PoolNeeds extends HostKind {
  readonly placement: Placement;
}

const MiB = 2 ** 20;
const DEFAULT_MEMORY = 128 * MiB;
const DEFAULT_CPU_MS = 5000;
const DEFAULT_WALL_MS = 30_000;
const DEFAULT_OUTPUT = MiB;
const RESULT_BYTES = 16 * MiB;
const GRANT = /^[A-Za-z_$][\w$]*$/;

export class Evaluator {
  readonly #setup: EvaluatorSetup;
  readonly #pools = new Map<string, EvaluationPool>();
  #underWay = 0;

  constructor(setup: EvaluatorSetup) {
    this.#setup = setup;
  }

  /** @throws REQUEST_INVALID, what its host could not be started for (UNENFORCEABLE, WALL_UNAVAILABLE, LAUNCHER_*), ABORTED */
  async evaluate(
    program: Program,
    options: EvaluateOptions,
    id: string,
    admission: AdmissionReport = UNCHECKED,
  ): Promise<Evaluation> {
    this.#underWay++;
    try {
      return await this.#evaluate(program, options, id, admission);
    } finally {
      this.#underWay--;
    }
  }

  async #evaluate(
    program: Program,
    options: EvaluateOptions,
    id: string,
    admission: AdmissionReport,
  ): Promise<Evaluation> {
    const { policy, journal } = this.#setup;
    const granted = grantsOf(options.grants);
    if (program.language === 'wasm' && granted.size > 0) throw noGrants();
    const { memoryBytes } = limitsOf(options, policy);
    const job = jobOf(program, options, policy, [...granted.keys()]);
    using release = beginRelease(policy, undefined);
    const output = {
      stdout: new OutputText(policy.limits.outputBytes ?? DEFAULT_OUTPUT),
      stderr: new OutputText(policy.limits.outputBytes ?? DEFAULT_OUTPUT),
    };
    // Where the policy ends a run for its output: asked of the host as an abort is.
    const overflow = new AbortController();
    const endsAtOutput = policy.limits.onOutputLimit === 'kill';
    const signal = endsAtOutput ? either(options.signal, overflow.signal) : options.signal;
    const hooks: EvaluateHooks = {
      write: (stream, text) => {
        output[stream].add(text);
        if (endsAtOutput && output[stream].isCut) overflow.abort();
      },
      dropped: (stream, bytes) => output[stream].drop(bytes),
      call: async (name, args) => await granted.get(name)?.(...args),
    };
    const engine = engineOf(program);
    const argv = [program.language, program.entry, program.id];
    if (journal !== undefined) await journal.ready();
    throwIfAborted(options.signal);
    const { placement = 'process' } = options;
    const keeps = engine === 'isolate' && placement === 'process' && job.keep !== 'nothing';
    const key = `${engine} ${placement} ${memoryBytes} ${keeps}`;
    const pool =
      this.#pools.get(key) ?? (await this.#open(key, { engine, placement, memoryBytes, keeps }));
    const began = performance.now();
    if (pool.standing === undefined) await pool.warm();
    const { standing = NOWHERE } = pool;
    const wallReason =
      admission.decision === 'strengthened'
        ? `${standing.wallReason}; strengthened for a score of ${admission.score}: a host of its own`
        : standing.wallReason;
    const context = {
      ...standing,
      wallReason,
      policyDigest: this.#setup.policyDigest,
      admission,
    };
    journal?.created({ id }, context.accepted, context.wall);
    journal?.started({ id }, argv);
    const evaluated = await pool.evaluate(job, hooks, signal);
    if (evaluated.kind === 'killed') throwIfAborted(options.signal);
    const totalMs = performance.now() - began;
    const ranMs = Math.min(totalMs, evaluated.wallMs);
    const made = toEvaluation({
      evaluated,
      context,
      auditId: id,
      output,
      isOverflow: overflow.signal.aborted,
      waitedMs: totalMs - ranMs,
      ranMs,
    });
    const evaluation = (release?.outcome(made) as Evaluation | undefined) ?? made;
    journal?.ended({ id }, argv, evaluation);
    await release?.line();
    return evaluation;
  }

  get isBusy(): boolean {
    return this.#underWay > 0;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#pools.values()].map((pool) => pool.close()));
    this.#pools.clear();
  }

  async #open(key: string, needs: PoolNeeds): Promise<EvaluationPool> {
    const opened = await this.#setup.open(needs);
    const pool = this.#pools.get(key) ?? opened;
    this.#pools.set(key, pool);
    return pool;
  }
}

/** What an evaluation is held to. @throws REQUEST_INVALID for a limit that is none */
export function limitsOf(options: EvaluateLimits, { limits }: Policy): Required<EvaluateLimits> {
  return {
    memoryBytes: least(options.memoryBytes, DEFAULT_MEMORY, limits.memoryBytes),
    cpuMs: least(options.cpuMs, DEFAULT_CPU_MS, limits.cpuMs),
    timeoutMs: least(options.timeoutMs, DEFAULT_WALL_MS, limits.wallMs),
  };
}

/** A pool that is warm knows where it stands. */
const NOWHERE = { wall: '', wallReason: '', accepted: [] };

function jobOf(
  program: Program,
  options: EvaluateOptions,
  policy: Policy,
  grants: readonly string[],
): Evaluate {
  const { limits } = policy;
  const { cpuMs, timeoutMs } = limitsOf(options, policy);
  const outputBytes = limits.outputBytes ?? DEFAULT_OUTPUT;
  return {
    program,
    export: options.export ?? 'default',
    args: options.args ?? [],
    grants,
    keep: options.keep ?? 'nothing',
    cpuMs,
    wallMs: timeoutMs,
    // One more than is kept: that there is more is what ends it.
    outputBytes: outputBytes + (limits.onOutputLimit === 'kill' ? 1 : 0),
    resultBytes: RESULT_BYTES,
    ...(options.wasm === undefined ? {} : { wasm: wasmOf(options.wasm, policy) }),
    ...(options.compileOnly === true ? { compileOnly: true } : {}),
  };
}

/** Only what the policy lets be read. @throws REQUEST_INVALID */
function wasmOf(options: WasmOptions, { read }: Policy): WasmOptions {
  const preopens = Object.entries(options.preopens ?? {}).map(([path, from]) => {
    const real = resolve(from);
    if (containsPath(read, real)) return [path, real];
    throw new CaissonError('REQUEST_INVALID', {
      layer: 'sandbox',
      message: `the policy does not let ${real} be read`,
      hint: `add it under filesystem.read, or leave the preopen ${path} out`,
    });
  });
  return { ...options, preopens: Object.fromEntries(preopens) };
}

function least(asked: number | undefined, preset: number, policy: number | null): number {
  const value = asked ?? preset;
  if (Number.isSafeInteger(value) && value > 0) return Math.min(value, policy ?? value);
  throw new CaissonError('REQUEST_INVALID', {
    layer: 'sandbox',
    message: `a limit of ${value} is none`,
    hint: 'give a whole number above 0: bytes of memory, milliseconds of time',
  });
}

/** By dotted name. @throws REQUEST_INVALID for a name that JavaScript could not call */
function grantsOf(grants: Grants | undefined, prefix = ''): Map<string, HostFunction> {
  const found = new Map<string, HostFunction>();
  for (const [name, grant] of Object.entries(grants ?? {})) {
    if (
      !GRANT.test(name) ||
      (typeof grant !== 'function' && typeof grant !== 'object') ||
      grant === null
    ) {
      throw new CaissonError('REQUEST_INVALID', {
        layer: 'sandbox',
        message: `${JSON.stringify(prefix + name)} cannot be granted`,
        hint: 'grants are functions, or objects of them, under names that JavaScript can call',
      });
    }
    if (typeof grant === 'function') found.set(prefix + name, grant);
    else for (const [inner, fn] of grantsOf(grant, `${prefix}${name}.`)) found.set(inner, fn);
  }
  return found;
}

function either(asked: AbortSignal | undefined, own: AbortSignal): AbortSignal {
  return asked === undefined ? own : AbortSignal.any([asked, own]);
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted !== true) return;
  throw new CaissonError('ABORTED', { layer: 'sandbox', cause: signal.reason });
}

function noGrants(): CaissonError {
  return new CaissonError('REQUEST_INVALID', {
    layer: 'sandbox',
    message:
      'host functions cannot be granted to WASM: they answer later, and its imports answer at once',
    hint: 'hand in what it needs as arguments, stdin or files',
  });
}
