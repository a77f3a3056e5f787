/** The engine in this very process, for callers who ask for it by name. */
import type { EngineName, EvaluationPool } from '../backends/program.ts';
import { CaissonError } from '../core/error.ts';

/** @throws REQUEST_INVALID for WASM */
export async function inlinePool(engine: EngineName, memoryBytes: number): Promise<EvaluationPool> {
  if (engine !== 'isolate') {
    throw new CaissonError('REQUEST_INVALID', {
      layer: 'backends',
      message: 'WASM is not evaluated in this process',
      hint: 'leave the placement out',
    });
  }
  const { InlinePool } = await import('../backends/isolate/inline-pool.ts');
  return new InlinePool(memoryBytes);
}
