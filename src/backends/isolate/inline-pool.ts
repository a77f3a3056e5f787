/** The engine in the caller's own process, for those who measured and ask for it by name. */
import { createRequire } from 'node:module';
import { CaissonError } from '../../core/error.ts';
import { copyOf } from '../host-frames.ts';
import type { Evaluate, EvaluateHooks, EvaluationPool, HostEvaluated } from '../program.ts';
import { IsolateEngine } from './engine.ts';

export class InlinePool implements EvaluationPool {
  readonly standing = {
    wall: 'isolate',
    wallReason: 'isolate in this process, as asked: nothing stands around it',
    accepted: ['isolate.placement:inline'],
  };
  readonly #memoryBytes: number;
  #engine: IsolateEngine | undefined;
  #idle: NodeJS.Immediate | undefined;
  /** One at a time, as in a host. */
  #last: Promise<unknown> = Promise.resolve();

  /** @param memoryBytes heap of each guest */
  constructor(memoryBytes: number) {
    this.#memoryBytes = memoryBytes;
  }

  /**
   * A guest that computes holds the caller up as well: the signal is looked at when it is its turn.
   *
   * @throws REQUEST_INVALID for arguments that cannot be copied
   */
  async evaluate(
    evaluate: Evaluate,
    hooks: EvaluateHooks,
    signal?: AbortSignal,
  ): Promise<HostEvaluated> {
    // isolated-vm copies the whole memory behind a view: of a small Buffer, that is Node's pool.
    const args = argumentsOf(evaluate);
    const call: EvaluateHooks['call'] = async (name, given) =>
      copyOf(await hooks.call(name, given));
    const turn = this.#last.then(() =>
      signal?.aborted === true
        ? GIVEN_UP
        : this.#evaluate({ ...evaluate, args }, { ...hooks, call }),
    );
    this.#last = turn.catch(() => {});
    return await turn;
  }

  async warm(): Promise<void> {
    this.#ready().idle();
  }

  async close(): Promise<void> {
    this.#engine?.close();
    this.#engine = undefined;
  }

  async #evaluate(evaluate: Evaluate, hooks: EvaluateHooks): Promise<HostEvaluated> {
    const engine = this.#ready();
    const began = performance.now();
    const evaluated = await engine.evaluate(evaluate, hooks);
    const wallMs = performance.now() - began;
    this.#idle ??= setImmediate(() => {
      this.#idle = undefined;
      if (this.#engine?.isSpent === false) this.#engine.idle();
    });
    return { ...evaluated, wallMs };
  }

  #ready(): IsolateEngine {
    if (this.#engine?.isSpent === true) this.#engine.close();
    if (this.#engine === undefined || this.#engine.isSpent) {
      const ivm = createRequire(import.meta.url)('isolated-vm');
      this.#engine = new IsolateEngine({ ivm, memoryBytes: this.#memoryBytes });
    }
    return this.#engine;
  }
}

const GIVEN_UP = { kind: 'killed', wallMs: 0, cpuMs: 0, memoryBytes: 0 } as const;

function argumentsOf({ args }: Evaluate): readonly unknown[] {
  try {
    return args.map(copyOf);
  } catch (cause) {
    throw new CaissonError('REQUEST_INVALID', {
      layer: 'backends',
      message: `the arguments cannot be copied: ${(cause as Error).message}`,
      hint: 'hand in data; functions are granted by name',
      cause,
    });
  }
}
