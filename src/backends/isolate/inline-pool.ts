/** The engine in the caller's own process, for those who measured and ask for it by name. */
import { createRequire } from 'node:module';
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
  /** One at a time, as in a host. */
  #last: Promise<unknown> = Promise.resolve();

  /** @param memoryBytes heap of each guest */
  constructor(memoryBytes: number) {
    this.#memoryBytes = memoryBytes;
  }

  async evaluate(evaluate: Evaluate, hooks: EvaluateHooks): Promise<HostEvaluated> {
    const turn = this.#last.then(() => this.#evaluate(evaluate, hooks));
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
    setImmediate(() => engine === this.#engine && !engine.isSpent && engine.idle());
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
