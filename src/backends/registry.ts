/**
 * The walls that this release can build, by name.
 */
import { CaissonError } from '../core/error.ts';
import type { WallName } from '../policy/policy.ts';
import type { Backend } from './backend.ts';

export class BackendRegistry {
  readonly #backends: ReadonlyMap<WallName, Backend>;

  constructor(backends: readonly Backend[]) {
    this.#backends = new Map(backends.map((backend) => [backend.wall, backend]));
  }

  /** @throws WALL_UNAVAILABLE when no backend carries that wall out. */
  get(wall: WallName): Backend {
    const backend = this.#backends.get(wall);
    if (backend !== undefined) return backend;
    throw new CaissonError('WALL_UNAVAILABLE', {
      layer: 'backends',
      message: `the wall ${wall} is not part of this release`,
      hint: 'choose the level moderate or strict',
      details: { wall },
    });
  }

  async close(): Promise<void> {
    await Promise.all([...this.#backends.values()].map((backend) => backend.close()));
  }
}
