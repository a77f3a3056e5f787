/**
 * What the library and the proxy process say to each other, beside the sockets (`launcher/network-handles.ts`).
 * Both are of one release; a network is a number that the library chose.
 */
import type { NetworkPolicy } from '../policy/policy.ts';
import type { NetworkDecision } from './decision-log.ts';
import type { ProxyCounters } from './egress-proxy.ts';
import type { Secret } from './intercept/secrets.ts';
import type { MemberOptions } from './internal-groups.ts';
import type { PublishOptions } from './published-port.ts';
import type { NetworkAnswer, NetworkQuestion } from './questions.ts';

export interface OpenNetwork {
  readonly policy: NetworkPolicy;
  /** Their values are with the holder that came before this (`vault`). */
  readonly secrets: readonly Secret[];
  /** Name servers, `address` or `address:port`; absent: the host's. */
  readonly servers?: readonly string[];
  /** Whether there is somebody to ask. */
  readonly asks: boolean;
  /** Of mode `internal`. */
  readonly member?: MemberOptions;
}

export type ProxyRequest =
  | { readonly type: 'open'; readonly open: OpenNetwork }
  /** Makes ahead what the first network would wait for; its id is 0. */
  | { readonly type: 'warm'; readonly intercept: boolean }
  | { readonly type: 'publish'; readonly publish: PublishOptions }
  | { readonly type: 'update'; readonly policy: NetworkPolicy }
  | { readonly type: 'counters' }
  | { readonly type: 'close' };

export type ToProxy =
  | (ProxyRequest & { readonly id: number; readonly request: number })
  /** With the reader's end of the holder that values of later networks are with, as a handle. */
  | { readonly type: 'vault' }
  | { readonly type: 'answer'; readonly question: number; readonly answer?: NetworkAnswer }
  | {
      /** With the connection as a handle, or why there is none. */
      readonly type: 'dialled';
      readonly dial: number;
      readonly problem?: string;
    };

/** `certificatePem`: of the authority that the guest must trust, where the policy intercepts. */
export interface ProxyReply {
  readonly certificatePem?: string;
  readonly counters?: ProxyCounters;
  /** Of the host, where one was published on. */
  readonly port?: number;
}

export type FromProxy =
  | { readonly type: 'reply'; readonly request: number; readonly reply: ProxyReply }
  | {
      readonly type: 'failed';
      readonly request: number;
      readonly message: string;
      /** Where it is the caller's mistake. */
      readonly invalid?: { readonly hint?: string };
    }
  | {
      /** A connection to a port inside the sandbox of that network; with an address a datagram socket there. */
      readonly type: 'dial';
      readonly id: number;
      readonly dial: number;
      readonly port: number;
      readonly address?: string;
    }
  /** Of a network that is shut by now; without an id of the whole process, which ends. */
  | { readonly type: 'fault'; readonly id?: number; readonly text: string }
  | { readonly type: 'decision'; readonly id: number; readonly decision: NetworkDecision }
  | {
      readonly type: 'ask';
      readonly id: number;
      readonly question: number;
      readonly about: NetworkQuestion;
    };
