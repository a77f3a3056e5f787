/** The walls of programs: whether what they need beside Node is here. */
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import type { HostFacts } from '../plan/facts.ts';
import { ENGINE_PROGRAMS, type EngineWall } from '../plan/select.ts';
import type { WallDiagnosis } from './doctor.ts';

interface NodeGypBuild {
  /** @throws where nothing is built for this platform, processor, C library and Node */
  path(directory: string): string;
}

/**
 * Whether isolated-vm, the engine of the isolate wall, is built for this Node; it is not loaded.
 *
 * @returns what is missing; undefined where nothing is
 */
export function isolateEngineLacks(
  require: Pick<NodeJS.Require, 'resolve'> = createRequire(import.meta.url),
): string | undefined {
  let module: string;
  try {
    module = require.resolve('isolated-vm');
  } catch {
    return 'isolated-vm is not installed';
  }
  const { path } = createRequire(module)('node-gyp-build') as NodeGypBuild;
  try {
    path(dirname(module));
    return undefined;
  } catch {
    const { arch, platform, version } = process;
    return `isolated-vm is not built for Node ${version} on ${platform}-${arch}`;
  }
}

/** They ask nothing of the host beyond Node and their engine; the wall that they stand behind is diagnosed by itself. */
export function engineState(
  wall: EngineWall,
  facts: HostFacts,
  isolateLacks: string | undefined,
): WallDiagnosis {
  if (facts.platform !== 'linux') return { wall, ready: false, reason: 'needs Linux' };
  if (wall === 'isolate' && isolateLacks !== undefined) {
    return {
      wall,
      ready: false,
      reason: isolateLacks,
      cure: 'install caisson again with a Node that its package.json allows (engines)',
    };
  }
  return {
    wall,
    ready: true,
    reason: `${ENGINE_PROGRAMS[wall]} run in it, inside the wall of their policy`,
  };
}
