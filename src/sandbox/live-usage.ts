/**
 * What every sandbox uses now, put together for a monitor: the launchers' accounts, and connections as the proxy counts them.
 */
import { isCaissonError } from '../core/error.ts';
import type { NamedStats } from '../launcher/client.ts';
import type {
  NetworkReading,
  UsageReading,
  UsageReadings,
} from '../observe/monitor/usage-source.ts';
import type { SandboxNetwork } from './sandbox-network.ts';

/** A launcher that runs. */
interface Launcher {
  stats(): Promise<NamedStats>;
}

/** @param networks of open sandboxes and runs, by their ids */
export async function readLiveUsage(
  launchers: readonly Launcher[],
  networks: ReadonlyMap<string, SandboxNetwork>,
): Promise<UsageReadings> {
  const all = await Promise.all(launchers.map((launcher) => launcher.stats().catch(nothingIfGone)));
  const stats = all.filter((each) => each !== undefined);
  const sandboxes = await Promise.all(
    stats.flatMap((each) =>
      each.sandboxes.map((sandbox) => toReading(sandbox, networks.get(sandbox.name))),
    ),
  );
  // CLOCK_MONOTONIC, as the launcher reads it.
  const atNs = stats[0]?.atNs ?? Number(process.hrtime.bigint());
  return {
    atMs: atNs / 1e6,
    sandboxes,
    waiting: stats.reduce((sum, { waiting }) => sum + waiting, 0),
  };
}

/** It took its sandboxes with it. */
function nothingIfGone(error: unknown): undefined {
  if (!isCaissonError(error) || error.code !== 'LAUNCHER_GONE') throw error;
}

async function toReading(
  { id: _, name, cpuUs, frozen, network, ...counted }: NamedStats['sandboxes'][number],
  of: SandboxNetwork | undefined,
): Promise<UsageReading> {
  return {
    id: name,
    ...counted,
    cpuMs: cpuUs / 1000,
    ...(network === undefined ? {} : { network: await withConnections(network, of) }),
    ...(frozen ? { frozen } : {}),
  };
}

async function withConnections(
  { sentBytes, receivedBytes, refusedPackets }: NetworkReading,
  of: SandboxNetwork | undefined,
): Promise<NetworkReading> {
  const passed = { sentBytes, receivedBytes, refusedPackets };
  // A proxy that is gone counts nothing any more; the packet filter still does.
  const counters = await of?.counters().catch(() => undefined);
  if (counters === undefined) return passed;
  const { connections, openConnections } = counters;
  return { ...passed, connections, openConnections };
}
