/**
 * What a server of MCP stands on, as the person who starts it says. Nothing of it comes from a model.
 */
import type { Caisson } from '../compose.ts';
import type { Recorder } from '../core/ports.ts';
import type { MakeSandbox } from './mcp-sandbox.ts';
import type { NetworkRuleBook } from './network-rule-book.ts';
import type { SandboxPlaces } from './sandbox-places.ts';

export interface McpSetup {
  readonly caisson: Caisson;
  readonly makeSandbox: MakeSandbox;
  readonly version: string;
  readonly places: SandboxPlaces;
  /** Ids of what this host cannot enforce and the person goes on without. */
  readonly accept: readonly string[];
  /** Values of the policy's secrets; they never go inside. */
  readonly secrets?: Readonly<Record<string, Uint8Array>>;
  /** Variables that the person sets for every command; in no policy, so that no digest holds their values. */
  readonly environment?: Readonly<Record<string, string>>;
  readonly network: NetworkAsking;
  /** Whether changes may be brought into the workspace. */
  readonly mayApply: boolean;
  readonly limits: McpLimits;
  /** Where what is decided here is recorded, beside what Caisson records itself. */
  readonly recorder?: Recorder;
}

export interface NetworkAsking {
  /** Whether a person may be asked, where the client can. */
  readonly person: boolean;
  readonly rules: NetworkRuleBook;
}

export interface McpLimits {
  /** Kept sandboxes that a session may hold. */
  readonly sandboxes: number;
  /** So long without a call for it, then a kept sandbox is closed; milliseconds. */
  readonly idleMs: number;
}

export const DEFAULT_LIMITS: McpLimits = { sandboxes: 4, idleMs: 30 * 60_000 };

/** Whether anything can come of a request for network. */
export function mayAsk({ network }: Pick<McpSetup, 'network'>): boolean {
  return network.person || network.rules.allowsAny;
}
