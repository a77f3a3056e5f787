/**
 * The network of one run, from what its caller brings for it to what stands in its outcome.
 */
import type { RawUsage } from '../backends/backend.ts';
import type { Outcome } from '../core/outcome.ts';
import type { Ties } from '../launcher/ties.ts';
import type { Ask } from '../network/questions.ts';
import {
  notPublishable,
  type PublishedPort,
  type PublishOptions,
  type SandboxPorts,
} from './ports.ts';
import type { SandboxNetwork } from './sandbox-network.ts';

/** What a run may bring for its network. */
export interface NetworkOptions {
  /**
   * Values of the policy's secrets; default: the caller's variables of these names. They never go inside. What is kept of
   * them is overwritten at the end; bytes, which the caller can overwrite too, leave no copy of ours behind.
   */
  readonly secrets?: Readonly<Record<string, string | Uint8Array>>;
  /** Asked about a destination that no rule decides; default: it is refused. */
  readonly ask?: Ask;
  /** What the others of its group call it (mode `internal`): a host label; default its id, with `-` for `_`. */
  readonly name?: string;
  /** Ports inside, of the policy's `listen`, to publish: a port of 127.0.0.1 for each, 0 for one that is free. */
  readonly publish?: Readonly<Record<number, number | PublishOptions>>;
  /** Told where they are, before the guest starts. */
  readonly onPublished?: (ports: readonly PublishedPort[]) => void;
}
export async function publish(
  ports: SandboxPorts | undefined,
  { publish: wanted, onPublished }: NetworkOptions,
): Promise<void> {
  if (wanted === undefined) return;
  if (ports === undefined) throw notPublishable('the guest has no network of its own');
  const published = await ports.publishAll(wanted);
  onPublished?.(published);
}

/** The outcome with what its network refused and let through; the network ends with it. */
export async function withNetwork(
  outcome: Outcome,
  raw: RawUsage,
  network: SandboxNetwork | undefined,
): Promise<Outcome> {
  if (network === undefined) return outcome;
  const { violations, usage } = await network.close(raw);
  return {
    ...outcome,
    violations: [...outcome.violations, ...violations],
    usage: { ...outcome.usage, ...(usage === undefined ? {} : { network: usage }) },
  };
}

export function tiesOf(
  name: string,
  signal: AbortSignal | undefined,
  network: SandboxNetwork | undefined,
  ports: SandboxPorts | undefined,
): Ties {
  const denied = network?.denied();
  return {
    name,
    ...(signal === undefined ? {} : { signal }),
    ...(denied === undefined ? {} : { denied }),
    ...(network === undefined ? {} : { onNetwork: network.onNetwork }),
    ...(ports === undefined ? {} : { onDial: ports.onDial }),
  };
}
