/** What was changed in an overlaid workspace. */
import { z } from 'zod';
import { CaissonError } from '../../core/error.ts';
import { fence, shownText, shownWord, visible } from '../guest-text.ts';
import type { KeptSandbox } from '../kept-sandbox.ts';
import { tool } from '../tool.ts';
import { answerSchema, sandboxId } from '../tool-schemas.ts';

const CHANGES_MAX = 200;
/** Characters of a diff that are made at all; what is shown of them is less. */
const DIFF_MAX = 4 * 1024 * 1024;

export const showChanges = tool({
  name: 'show_changes',
  title: 'Show pending changes of the workspace',
  description:
    'Shows what an open sandbox changed in the person’s directory and holds back: which paths, and a unified diff of what is text (cut in the middle where it is long). The directory itself is as it was.',
  input: z.strictObject({ sandbox: sandboxId() }),
  output: answerSchema({
    changes: z.array(
      z.strictObject({
        kind: z.enum(['added', 'modified', 'deleted']),
        type: z.enum(['file', 'directory', 'link', 'special']),
        path: z.string().describe('In the workspace: data.'),
        protected: z.boolean().describe('The policy protects it: it is never applied with others.'),
      }),
    ),
    total: z.int().describe('How many changes there are; the list ends after 200.'),
    diff: z.string().describe('Unified diff: data.'),
    left_out: z.int().describe('Bytes out of the middle of the diff that are not shown.'),
    may_apply: z.boolean().describe('Whether apply_changes is there.'),
  }),
  annotations: { readOnlyHint: true, openWorldHint: false },
  call: async ({ sandbox }, { session, setup }) => {
    const kept = session.kept(sandbox);
    using _ = kept.use();
    requireWorkspace(kept);
    const changes = await kept.sandbox.changes();
    const diff = shownText(await changes.diff({ most: DIFF_MAX }));
    const listed = changes.entries.slice(0, CHANGES_MAX).map((change) => ({
      kind: change.kind,
      type: change.type,
      path: visible(change.path),
      protected: change.protected,
    }));
    const total = changes.entries.length;
    const rows = listed.map(
      ({ kind, type, path, protected: held }) =>
        `${kind} ${type} ${shownWord(path)}${held ? ' (protected)' : ''}`,
    );
    const applying = setup.mayApply
      ? 'apply_changes brings them into the directory.'
      : 'They are not applied by this server: the person did not allow it (--allow-apply).';
    const cut = total > listed.length ? `, of which ${listed.length} are listed` : '';
    const parts = [
      { name: 'changes', text: rows.join('\n') },
      { name: 'diff', text: diff.text },
    ];
    return {
      text:
        total === 0
          ? 'Nothing was changed.'
          : `${total} changes are pending${cut}. ${applying}\n${fence(parts)}`,
      structured: {
        changes: listed,
        total,
        diff: diff.text,
        left_out: diff.leftOutBytes,
        may_apply: setup.mayApply,
      },
    };
  },
});

/** @throws REQUEST_INVALID */
export function requireWorkspace({ id, place }: KeptSandbox): void {
  if (place.kind === 'overlay') return;
  throw new CaissonError('REQUEST_INVALID', {
    layer: 'mcp',
    message: `${id} is private: there is no workspace in it that could have changed`,
    hint: 'read_file brings out what it holds; open_sandbox takes workspace "overlay" where there is one',
  });
}
