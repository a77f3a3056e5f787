/** A pool of hosts whose every evaluation says how long it waited for its turn, and how long its guest ran. */
import type { EvaluationPool } from '../backends/program.ts';
import type { Telemetry } from '../core/telemetry.ts';

export function tracedPool(pool: EvaluationPool, telemetry: Telemetry): EvaluationPool {
  return {
    get standing() {
      return pool.standing;
    },
    async evaluate(evaluate, hooks, signal) {
      const startMs = performance.now();
      try {
        const evaluated = await pool.evaluate(evaluate, hooks, signal);
        const endMs = performance.now();
        const turnMs = Math.max(startMs, endMs - evaluated.wallMs);
        telemetry.begin('caisson.launch', { startMs }).end(undefined, turnMs);
        telemetry.begin('caisson.guest', { startMs: turnMs }).end(undefined, endMs);
        return evaluated;
      } catch (error) {
        telemetry.begin('caisson.launch', { startMs }).end(error);
        throw error;
      }
    },
    warm: () => pool.warm(),
    close: () => pool.close(),
  };
}
