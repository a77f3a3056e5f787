/** Brings pending changes into the person's directory, where the person allowed that. */
import { z } from 'zod';
import { shownWord, visible } from '../guest-text.ts';
import { tool } from '../tool.ts';
import { answerSchema, path, sandboxId } from '../tool-schemas.ts';
import { requireWorkspace } from './show-changes.ts';

const LISTED_MAX = 200;

export const applyChanges = tool({
  name: 'apply_changes',
  title: 'Apply pending changes to the workspace',
  description:
    'Brings what an open sandbox changed into the person’s directory itself. What the policy protects is left out. Refused as a whole where the directory was changed meanwhile. Look at show_changes first.',
  input: z.strictObject({
    sandbox: sandboxId(),
    only: z
      .array(path())
      .min(1)
      .max(1000)
      .optional()
      .describe('These paths of show_changes, and what is below them; default: all.'),
  }),
  output: answerSchema({
    applied: z.array(z.string()).describe('Paths that were brought in; the first 200.'),
    applied_total: z.int(),
    left_out: z.array(z.string()).describe('Paths that were not: protected, or no plain files.'),
  }),
  annotations: {
    readOnlyHint: false,
    destructiveHint: true,
    idempotentHint: true,
    openWorldHint: false,
  },
  isOffered: ({ mayApply }) => mayApply,
  call: async ({ sandbox, only }, { session }) => {
    const kept = session.kept(sandbox);
    using _ = kept.use();
    requireWorkspace(kept);
    const { applied, skipped } = await kept.sandbox.apply({
      skipProtected: true,
      ...(only === undefined ? {} : { only: only.map(plain) }),
    });
    const names = applied.slice(0, LISTED_MAX).map((change) => visible(change.path));
    const left = skipped.slice(0, LISTED_MAX).map((change) => visible(change.path));
    const rest =
      left.length === 0 ? '' : ` Left out: ${left.map((one) => shownWord(one)).join(', ')}.`;
    return {
      text: `${applied.length} changes are in ${kept.place.workspace} now.${rest}`,
      structured: { applied: names, applied_total: applied.length, left_out: left },
    };
  },
});

function plain(path: string): string {
  return path.replace(/^\.\//, '').replace(/\/+$/, '');
}
