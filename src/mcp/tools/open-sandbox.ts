/** Opens a sandbox that stays. */
import { z } from 'zod';
import { mayAsk } from '../mcp-setup.ts';
import { tool } from '../tool.ts';
import { answerSchema, runShape } from '../tool-schemas.ts';
import { placeOf } from './run-command.ts';

export const openSandbox = tool({
  name: 'open_sandbox',
  title: 'Open a sandbox that stays',
  description:
    'Opens a sandbox whose files and background processes stay until close_sandbox, until it was idle for long, or until the session ends. Answers with its id, for run_command, run_code, the file tools and request_network.',
  input: z.strictObject({
    workspace: runShape.workspace.describe(
      'overlay: over the directory that the person named, where there is one (then the default); changes are kept aside, see show_changes. private: an empty sandbox with a private /tmp.',
    ),
    memory_mb: runShape.memory_mb.describe(
      'Less memory than the policy allows, in MiB, rounded up to a power of two of at least 32.',
    ),
  }),
  output: answerSchema({
    sandbox: z.string().describe('Its id.'),
    workspace: z.enum(['overlay', 'private']).describe('What it is over.'),
    cwd: z.string().describe('Where commands start, inside.'),
    network: z.string().describe('none, filtered, internal or full.'),
    idle_timeout_s: z.number().describe('It is closed when nothing was asked of it for so long.'),
  }),
  annotations: { readOnlyHint: false, destructiveHint: false, openWorldHint: false },
  call: async (args, { session, setup, signal }) => {
    const { id, place, sandbox, network } = await session.open(placeOf(args), signal);
    const over =
      place.workspace === undefined
        ? 'It is private: an own /tmp, and nothing of the person’s files but what the policy names.'
        : `It is over ${place.workspace}: what changes there is kept aside until it is applied; show_changes shows it.`;
    const reach = mayAsk(setup) ? ' request_network asks for more.' : '';
    return {
      text: `Opened ${id}. ${over} Commands start in ${sandbox.cwd}. Network: ${network.mode}.${reach}`,
      structured: {
        sandbox: id,
        workspace: place.kind,
        cwd: sandbox.cwd,
        network: network.mode,
        idle_timeout_s: setup.limits.idleMs / 1000,
      },
    };
  },
});
