/** Closes a sandbox. */
import { z } from 'zod';
import { tool } from '../tool.ts';
import { answerSchema, sandboxId } from '../tool-schemas.ts';

export const closeSandbox = tool({
  name: 'close_sandbox',
  title: 'Close a sandbox',
  description:
    'Ends everything in an open sandbox. Its files are gone, changes of the workspace that were not applied too. Commands that run in it are ended.',
  input: z.strictObject({ sandbox: sandboxId() }),
  output: answerSchema({ closed: z.string().describe('Id of the sandbox that is gone.') }),
  annotations: {
    readOnlyHint: false,
    destructiveHint: true,
    idempotentHint: false,
    openWorldHint: false,
  },
  call: async ({ sandbox }, { session }) => {
    await session.kept(sandbox).close('close_sandbox was called');
    return {
      text: `${sandbox} is closed; nothing of it is left.`,
      structured: { closed: sandbox },
    };
  },
});
