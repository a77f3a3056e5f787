/** The two clocks of one evaluation. */
import type { Isolate } from 'isolated-vm';

export class EvaluationClock {
  readonly #wallMs: number;
  readonly #cpuMs: number;
  readonly #began = performance.now();
  #isolate: Isolate | undefined;
  #cpuBegan = 0n;

  constructor({ wallMs, cpuMs }: { readonly wallMs: number; readonly cpuMs: number }) {
    this.#wallMs = wallMs;
    this.#cpuMs = cpuMs;
  }

  /** From here on processor time is counted. */
  watch(isolate: Isolate): void {
    this.#isolate = isolate;
    this.#cpuBegan = isolate.cpuTime;
  }

  /** Milliseconds that the guest computed. */
  get cpu(): number {
    const isolate = this.#isolate;
    if (isolate === undefined || isolate.isDisposed) return performance.now() - this.#began;
    return Number(isolate.cpuTime - this.#cpuBegan) / 1e6;
  }

  get wallLeft(): number {
    return this.#wallMs - (performance.now() - this.#began);
  }

  /** How long the guest may go on without a pause, whole milliseconds; 0 where a clock has run out. */
  get left(): number {
    return Math.max(0, Math.ceil(Math.min(this.wallLeft, this.#cpuMs - this.cpu)));
  }

  /** Which clock has run out, or is the nearer one. */
  get nearest(): 'wall' | 'cpu' {
    return this.#cpuMs - this.cpu < this.wallLeft ? 'cpu' : 'wall';
  }
}
