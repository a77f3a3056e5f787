/** Flags of `caisson mcp`: what the person decides, and a model cannot. */
import { parseCount, parseDuration } from '../core/units.ts';
import type { Flags } from './command.ts';
import { policyFlags } from './flags.ts';
import { telemetryFlags } from './telemetry-flags.ts';

const { overlay: _, unisolated: __, workspace, ...shared } = policyFlags;

export const mcpFlags = {
  ...shared,
  workspace: {
    ...workspace,
    value: 'DIR',
    summary:
      'Sandboxes may be over this directory; what they change is kept aside. Without --policy, --profile and --level it comes with the profile agent (default: none, and level strict)',
  },
  'allow-apply': {
    summary: 'Let the model bring changes into the workspace itself (tool apply_changes)',
  },
  ask: {
    summary:
      'Let the model ask you for network destinations, where your client can put a question (elicitation)',
  },
  'allow-ask': {
    value: 'HOST[:PORT]',
    repeatable: true,
    summary: 'Grant this destination when the model asks for it, without a question',
  },
  'ask-rules': {
    value: 'FILE',
    completes: 'file',
    summary: 'Answer requests for network by the lists `allow` and `deny` of this file',
  },
  http: {
    value: '[HOST:]PORT',
    summary:
      'Serve streamable HTTP at /mcp there instead of stdin and stdout; anything but loopback needs a token and TLS',
  },
  'token-file': {
    value: 'FILE',
    completes: 'file',
    summary:
      'Bearer tokens for --http, a line each: TOKEN, or NAME TOKEN (or one in CAISSON_MCP_TOKEN)',
  },
  'tls-cert': {
    value: 'FILE',
    completes: 'file',
    summary: 'Speak TLS on --http: PEM of the certificate, then of those above it',
  },
  'tls-key': { value: 'FILE', completes: 'file', summary: 'Speak TLS on --http: PEM of its key' },
  insecure: {
    summary: 'Let --http listen beyond loopback without TLS, where a proxy in front speaks it',
  },
  'allow-host': {
    value: 'NAME[:PORT]',
    repeatable: true,
    summary: 'A name that clients call the server by, with --http behind a proxy',
  },
  'allow-origin': {
    value: 'ORIGIN',
    repeatable: true,
    summary: 'Web pages of this origin may use --http, as in http://localhost:6274',
  },
  'max-sandboxes': {
    value: 'COUNT',
    check: parseCount,
    summary: 'Sandboxes that a session may keep open; default: 4',
  },
  idle: {
    value: 'TIME',
    check: parseDuration,
    summary: 'Close a kept sandbox, or a session over HTTP, after so long unused; default: 30m',
  },
  audit: {
    value: 'DIR',
    completes: 'directory',
    summary: 'Record what happens in a log of that directory; see caisson audit',
  },
  ...telemetryFlags,
} as const satisfies Flags;

export type McpFlags = typeof mcpFlags;
