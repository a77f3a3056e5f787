/** One sandbox's network as the library asks for it and holds it; the proxy's side is `filtered-network.ts`. */
import type { CaissonError } from '../core/error.ts';
import type { Dial } from '../launcher/dials.ts';
import type { NetworkHandles } from '../launcher/network-handles.ts';
import type { VaultMemory } from '../launcher/vault-process.ts';
import type { NetworkPolicy } from '../policy/policy.ts';
import type { NetworkDecision } from './decision-log.ts';
import type { ProxyCounters } from './egress-proxy.ts';
import type { MemberOptions } from './internal-groups.ts';
import type { Ask } from './questions.ts';

/** A secret of the policy with its value, which goes to the holder and nowhere else. */
export interface SecretValue {
  readonly name: string;
  readonly placeholder: string;
  readonly hosts: readonly string[];
  /** The caller's, to overwrite once the network is open. */
  readonly value: Uint8Array;
}

export interface NetworkOptions {
  /** Of mode `filtered` or `internal`. */
  readonly policy: NetworkPolicy;
  readonly secrets?: readonly SecretValue[];
  /** Where their values are held; default memory that no other process can read. */
  readonly secretMemory?: VaultMemory;
  /** Name servers to ask, `address` or `address:port`; default those of the host. */
  readonly servers?: readonly string[];
  readonly onDecision: (decision: NetworkDecision) => void;
  /** The proxy process died, or a fault in it shut this network: nothing passes any more. Not called after {@link FilteredNetworkClient.close}. */
  readonly onGone?: (error: CaissonError) => void;
  /** Asked about what no rule decides. Absent: it is refused. */
  readonly ask?: Ask;
  /** How long an answer may take; then it is a no. Default 30000. */
  readonly askTimeoutMs?: number;
  /** Where the policy's mode is `internal`: who the sandbox is in its group. */
  readonly member?: MemberOptions;
  /** The way into the sandbox: for the others of its group, and for sockets that datagrams go to. */
  readonly dial?: Dial;
}

/** A port of a sandbox, on a loopback port of the host. */
export interface PublishedPortClient {
  readonly port: number;
  /** Settles when its process is gone, and with it the port, or when a fault has shut the port. */
  readonly gone: Promise<CaissonError>;
  close(): Promise<void>;
}

/** One network, as the library holds it. */
export interface FilteredNetworkClient {
  /** Of the authority that the guest must trust, in PEM; where the policy intercepts. */
  readonly certificatePem?: string;
  /** The proxy has taken the policy in; until then, and where it rejects, connections wait or are refused. */
  readonly opened: Promise<void>;
  /** Gives the sandbox's sockets to the proxy, and closes them here. @throws NETWORK_GONE */
  attach(handles: NetworkHandles): Promise<void>;
  /** Changes the policy of an open sandbox; connections that it no longer allows are reset. @throws NETWORK_GONE */
  update(policy: NetworkPolicy): Promise<void>;
  /** Until now. @throws NETWORK_GONE */
  counters(): Promise<ProxyCounters>;
  /** Resets what is open. Decisions that were folded come before it resolves. Undefined: the proxy was gone. */
  close(): Promise<ProxyCounters | undefined>;
}
