/** From what a caller asks for to what a WASI host of either preview is made of. */
import type { EvaluateHooks, WasmOptions } from '../program.ts';
import { hostTree } from './host-tree.ts';
import { systemClock, virtualClock } from './wasi/clock.ts';
import { seededRandom, systemRandom } from './wasi/random-source.ts';
import { directory } from './wasi/tree.ts';
import type { WasiHostOptions } from './wasi/wasi-host.ts';

/** As coarse as what an isolate's `Date` tells: against timing side channels. */
const resolutionNs = 1_000_000n;

/** @throws CaissonError `PATH_MISSING`, `REQUEST_INVALID` for a preopen that cannot be given */
export function wasiOptions(
  options: WasmOptions,
  write: EvaluateHooks['write'],
  charge: (units: number) => void,
): WasiHostOptions {
  const { args = [], env = {}, stdin, preopens = {}, deterministic } = options;
  const sink = (stream: 'stdout' | 'stderr') => ({
    sink: (bytes: Uint8Array) => write(stream, bytes),
    limitBytes: Number.MAX_SAFE_INTEGER,
  });
  return {
    args,
    env,
    charge,
    stdout: sink('stdout'),
    stderr: sink('stderr'),
    clock: deterministic === undefined ? systemClock({ resolutionNs }) : virtualClock(),
    random: deterministic === undefined ? systemRandom : seededRandom(deterministic.seed),
    preopens: [
      ...Object.entries(preopens).map(([path, from]) => ({
        path,
        directory: hostTree(from, { times: deterministic === undefined }),
      })),
      ...(Object.hasOwn(preopens, '/tmp')
        ? []
        : [{ path: '/tmp', directory: directory({}, { writable: true }) }]),
    ],
    ...(stdin === undefined ? {} : { stdin }),
  };
}
