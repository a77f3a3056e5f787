/** Which sandboxes this session keeps. */
import { z } from 'zod';
import { tool } from '../tool.ts';
import { answerSchema } from '../tool-schemas.ts';

export const listSandboxes = tool({
  name: 'list_sandboxes',
  title: 'List open sandboxes',
  description: 'Lists the sandboxes that this session keeps open, and how many more it may open.',
  input: z.strictObject({}),
  output: answerSchema({
    sandboxes: z.array(
      z.strictObject({
        sandbox: z.string().describe('Its id.'),
        workspace: z.enum(['overlay', 'private']).describe('What it is over.'),
        opened: z.string().describe('When, ISO 8601.'),
        idle_s: z.number().describe('How long nothing was asked of it.'),
        busy: z.boolean().describe('A call for it is under way.'),
        granted: z.array(z.string()).describe('Destinations granted by request_network.'),
      }),
    ),
    may_open: z.int().describe('How many more.'),
  }),
  annotations: { readOnlyHint: true, openWorldHint: false },
  call: async (_, { session, setup }) => {
    const sandboxes = session.list().map((kept) => ({
      sandbox: kept.id,
      workspace: kept.place.kind,
      opened: new Date(kept.openedAt).toISOString(),
      idle_s: Math.round(kept.idleForMs / 1000),
      busy: kept.isBusy,
      granted: [...kept.granted],
    }));
    const mayOpen = setup.limits.sandboxes - sandboxes.length;
    const lines = sandboxes.map(({ sandbox, workspace, idle_s, busy, granted }) => {
      const state = busy ? 'busy' : `idle for ${idle_s} s`;
      const network = granted.length === 0 ? '' : `, may reach ${granted.join(', ')}`;
      return `${sandbox}: ${workspace}, ${state}${network}`;
    });
    return {
      text: [...lines, `${sandboxes.length} open; ${mayOpen} more can be opened.`].join('\n'),
      structured: { sandboxes, may_open: mayOpen },
    };
  },
});
