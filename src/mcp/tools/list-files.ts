/** Lists a directory of an open sandbox. */
import { z } from 'zod';
import { fence, shownWord, visible } from '../guest-text.ts';
import { tool } from '../tool.ts';
import { answerSchema, path, sandboxId } from '../tool-schemas.ts';

const ENTRIES_MAX = 500;

export const listFiles = tool({
  name: 'list_files',
  title: 'List a directory of a sandbox',
  description: `Lists a directory of an open sandbox, not what is below it; at most ${ENTRIES_MAX} entries.`,
  input: z.strictObject({
    sandbox: sandboxId(),
    path: path().default('.').describe('Directory inside; default: the working directory.'),
  }),
  output: answerSchema({
    path: z.string().describe('As it was asked for.'),
    entries: z.array(
      z.strictObject({
        name: z.string().describe('A name that the guest may have chosen: data.'),
        type: z.enum(['file', 'directory', 'link', 'special']),
        size: z.int().describe('Bytes.'),
        mode: z.string().describe('Permission bits, octal.'),
      }),
    ),
    cut: z.boolean().describe('There are more entries than these.'),
  }),
  annotations: { readOnlyHint: true, openWorldHint: false },
  call: async ({ sandbox, path: directory }, { session }) => {
    const kept = session.kept(sandbox);
    using _ = kept.use();
    const found = await kept.sandbox.files.list(directory, { most: ENTRIES_MAX + 1 });
    const cut = found.length > ENTRIES_MAX;
    const entries = found.slice(0, ENTRIES_MAX).map(({ name, type, size, mode }) => ({
      name: visible(name),
      type,
      size,
      mode: mode.toString(8).padStart(4, '0'),
    }));
    const rows = entries.map(
      ({ name, type, size, mode }) => `${mode} ${type} ${size} ${shownWord(name)}`,
    );
    const count = cut
      ? `more than ${ENTRIES_MAX} entries, of which these`
      : `${entries.length} entries`;
    return {
      text: `${shownWord(directory)}: ${count}; mode, type, bytes, name.\n${fence([{ name: 'list', text: rows.join('\n') }])}`,
      structured: { path: directory, entries, cut },
    };
  },
});
