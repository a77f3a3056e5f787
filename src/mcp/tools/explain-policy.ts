/** What the sandboxes of this server may do. */
import { z } from 'zod';
import { formatDestination } from '../../policy/destination.ts';
import type { PathSet } from '../../policy/policy.ts';
import { mayAsk } from '../mcp-setup.ts';
import { tool } from '../tool.ts';
import { answerSchema, runShape, sandboxId } from '../tool-schemas.ts';

const paths = (what: string) => z.array(z.string()).describe(what);

export const explainPolicy = tool({
  name: 'explain_policy',
  title: 'Explain what is allowed',
  description:
    'Says what sandboxes of this server may read, write, reach and use, what cannot be enforced on this host, and what can be asked for. Of an open sandbox with what was granted to it.',
  input: z.strictObject({
    sandbox: sandboxId().optional().describe('Of an open sandbox; default: of a new one.'),
    workspace: runShape.workspace.describe('Of a new one: over the workspace, or private.'),
  }),
  output: answerSchema({
    level: z.string().describe('moderate, strict or paranoid.'),
    wall: z.string().describe('What stands between the guest and the host.'),
    workspace: z.string().describe('The person’s directory; absent: there is none.'),
    read: paths('May be read, beside system directories; ! carves out.'),
    write: paths('May be written; in the workspace, changes are kept aside.'),
    protected: paths('Below the workspace, never changed.'),
    network: z.strictObject({
      mode: z.string(),
      allow: z.array(z.string()),
      deny: z.array(z.string()),
    }),
    limits: z.record(z.string(), z.union([z.number(), z.string(), z.null()])),
    can_request_network: z.boolean().describe('Whether request_network can come to anything.'),
    can_apply: z.boolean().describe('Whether apply_changes is there.'),
    not_enforceable: z
      .array(z.strictObject({ id: z.string(), reason: z.string(), cure: z.string() }))
      .describe('What this host cannot enforce; nothing runs where the person did not accept it.'),
  }),
  annotations: { readOnlyHint: true, openWorldHint: false },
  call: async ({ sandbox, workspace }, { session, setup }) => {
    const kept = sandbox === undefined ? undefined : session.kept(sandbox);
    const place = kept?.place ?? setup.places.place(workspace);
    const { policy } = place;
    const explained = await setup.caisson.explain(policy, {
      accept: setup.accept,
      ...(place.workspace === undefined ? {} : { workspace: place.workspace }),
    });
    const network = kept?.network ?? policy.network;
    const answer = {
      level: policy.level,
      wall: explained.wall,
      ...(place.workspace === undefined ? {} : { workspace: place.workspace }),
      read: shownPaths(policy.read),
      write: shownPaths(policy.write),
      protected: [...policy.protect],
      network: {
        mode: network.mode,
        allow: network.allow.map(formatDestination),
        deny: network.deny.map(formatDestination),
      },
      limits: { ...policy.limits },
      can_request_network: mayAsk(setup) && network.mode === 'filtered',
      can_apply: setup.mayApply,
      not_enforceable: explained.unenforceable.map(({ id, reason, cure }) => ({
        id,
        reason,
        cure,
      })),
    };
    return { text: inWords(answer), structured: answer };
  },
});

function shownPaths({ rules }: PathSet): string[] {
  return rules.map(({ path, include }) => (include ? path : `!${path}`));
}

interface Answer {
  readonly level: string;
  readonly wall: string;
  readonly workspace?: string;
  readonly read: readonly string[];
  readonly write: readonly string[];
  readonly network: {
    readonly mode: string;
    readonly allow: readonly string[];
    readonly deny: readonly string[];
  };
  readonly limits: Readonly<Record<string, unknown>>;
  readonly can_request_network: boolean;
  readonly can_apply: boolean;
  readonly not_enforceable: readonly { readonly id: string; readonly reason: string }[];
}

function inWords(answer: Answer): string {
  const { network, workspace } = answer;
  const list = (items: readonly string[]): string =>
    items.length === 0 ? 'nothing' : items.join(', ');
  const limits = Object.entries(answer.limits)
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `${name} ${value}`);
  const reach =
    network.mode === 'filtered'
      ? `filtered; allowed: ${list(network.allow)}; denied: ${list(network.deny)}`
      : network.mode;
  return [
    `Level ${answer.level}, behind the wall ${answer.wall}.`,
    workspace === undefined
      ? 'No workspace.'
      : `Workspace ($workspace): ${workspace}; changes are kept aside.`,
    `Read: ${['system directories', ...answer.read].join(', ')}; nothing else.`,
    `Write: ${['a private /tmp', ...answer.write].join(', ')}; nothing else.`,
    `Network: ${reach}.`,
    `Limits: ${limits.join(', ')}. A call can narrow time and memory, and never widen them.`,
    answer.can_request_network
      ? 'Other destinations can be asked for: request_network.'
      : 'No other destination can be asked for here: the person would have to start this server with --ask, --allow-ask HOST or --net HOST.',
    answer.can_apply
      ? 'apply_changes brings changes into the workspace.'
      : 'Changes of the workspace are shown, and not applied.',
    ...answer.not_enforceable.map(
      ({ id, reason }) => `Not enforceable on this host: ${id}: ${reason}`,
    ),
  ].join('\n');
}
