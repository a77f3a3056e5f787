/**
 * What the library and the proxy process say to each other, beside the sockets (`launcher/network-handles.ts`).
 * Both are of one release; a network is a number that the library chose.
 */
import type { NetworkPolicy } from '../policy/policy.ts';
import type { NetworkDecision } from './decision-log.ts';
import type { ProxyCounters } from './egress-proxy.ts';
import type { MemberOptions } from './internal-groups.ts';
import type { PublishOptions } from './published-port.ts';
import type { NetworkAnswer, NetworkQuestion } from './questions.ts';

/** A secret of the policy with its value, as it travels. */
export interface SecretValue {
  readonly name: string;
  readonly placeholder: string;
  readonly value: string;
  readonly hosts: readonly string[];
}

export interface OpenNetwork {
  readonly policy: NetworkPolicy;
  readonly secrets: readonly SecretValue[];
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
  | { readonly type: 'decision'; readonly id: number; readonly decision: NetworkDecision }
  | {
      readonly type: 'ask';
      readonly id: number;
      readonly question: number;
      readonly about: NetworkQuestion;
    };
