/**
 * What a tool is: its name and words for a model, what it takes and gives, and what it does.
 */
import type { ToolAnnotations } from '@modelcontextprotocol/sdk/types.js';
import type { z } from 'zod';
import type { McpSession } from './mcp-session.ts';
import type { McpSetup } from './mcp-setup.ts';
import type { AskPerson } from './network-requests.ts';

/** One call, and whose it is. */
export interface ToolCall {
  readonly session: McpSession;
  readonly setup: McpSetup;
  /** Fires when the call is cancelled or its session ends. */
  readonly signal: AbortSignal;
  /** How a person is asked about a sandbox; undefined where the client cannot. */
  readonly person: (sandbox: string) => AskPerson | undefined;
}

export interface ToolAnswer {
  /** What a model reads. What a guest wrote stands between the lines of a fence. */
  readonly text: string;
  /** The same, for programs. */
  readonly structured: Readonly<Record<string, unknown>>;
}

export interface ToolSpec<I extends z.ZodObject, O extends z.ZodObject> {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly input: I;
  readonly output: O;
  readonly annotations: ToolAnnotations;
  /** Whether this server has it; default yes. */
  readonly isOffered?: (setup: McpSetup) => boolean;
  readonly call: (args: z.output<I>, call: ToolCall) => Promise<ToolAnswer>;
}

export interface Tool extends Omit<ToolSpec<z.ZodObject, z.ZodObject>, 'call'> {
  readonly call: (args: never, call: ToolCall) => Promise<ToolAnswer>;
}

/** Keeps the types of its arguments together with what it does, then forgets them. */
export function tool<I extends z.ZodObject, O extends z.ZodObject>(spec: ToolSpec<I, O>): Tool {
  return spec as unknown as Tool;
}
