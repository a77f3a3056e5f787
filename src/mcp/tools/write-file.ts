/** Writes a file in an open sandbox. */
import { z } from 'zod';
import { CaissonError } from '../../core/error.ts';
import { shownWord } from '../guest-text.ts';
import { tool } from '../tool.ts';
import { answerSchema, path, sandboxId } from '../tool-schemas.ts';

const CONTENT_MAX = 1024 * 1024;

export const writeFile = tool({
  name: 'write_file',
  title: 'Write a file of a sandbox',
  description:
    'Makes or replaces a file of an open sandbox, or appends to it. In a workspace the change is kept aside until it is applied.',
  input: z.strictObject({
    sandbox: sandboxId(),
    path: path(),
    content: z.string().max(CONTENT_MAX).describe('What it is to hold, at most 1 MiB a call.'),
    encoding: z.enum(['text', 'base64']).default('text').describe('How `content` is written.'),
    append: z.boolean().default(false).describe('Add to its end instead of replacing it.'),
    make_directories: z
      .boolean()
      .default(false)
      .describe('Make the directories above it that are missing.'),
    executable: z.boolean().default(false).describe('It may be run as a program.'),
  }),
  output: answerSchema({
    path: z.string().describe('As it was asked for.'),
    bytes: z.int().describe('How many bytes were written.'),
  }),
  annotations: {
    readOnlyHint: false,
    destructiveHint: false,
    idempotentHint: false,
    openWorldHint: false,
  },
  call: async (args, { session }) => {
    const { sandbox, path: file, append, executable } = args;
    const bytes = bytesOf(args);
    const kept = session.kept(sandbox);
    using _ = kept.use();
    const { files } = kept.sandbox;
    if (args.make_directories) {
      const slash = file.lastIndexOf('/');
      if (slash > 0) await files.mkdir(file.slice(0, slash), { recursive: true });
    }
    await files.write(file, bytes, { append, ...(executable ? { mode: 0o755 } : {}) });
    return {
      text: `${append ? 'Appended' : 'Wrote'} ${bytes.length} bytes to ${shownWord(file)}.`,
      structured: { path: file, bytes: bytes.length },
    };
  },
});

function bytesOf({ content, encoding }: { content: string; encoding: string }): Buffer {
  if (encoding === 'text') return Buffer.from(content);
  const bytes = Buffer.from(content, 'base64');
  // Buffer reads on past what is no base64; such a content is none.
  const plain = content.replaceAll(/[\s=]/g, '');
  if (bytes.toString('base64').replaceAll('=', '') === plain) return bytes;
  throw new CaissonError('REQUEST_INVALID', {
    layer: 'mcp',
    message: 'the content is not base64',
    hint: 'encode it again, or write it as text',
  });
}
