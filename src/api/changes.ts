/** What was changed in an overlaid workspace. */
import * as z from 'zod/mini';
import { idParam, pageFields, pageOf, wholeNumber } from './query.ts';
import { defineRoute } from './route.ts';

const changeSchema = z.object({
  path: z.string().check(z.describe('Relative to the workspace')),
  kind: z.enum(['added', 'modified', 'deleted']).check(z.describe('What became of it')),
  type: z.enum(['file', 'directory', 'link', 'special']).check(z.describe('What it is')),
  mode: z.optional(z.string()).check(z.describe('Permission bits, octal; absent when deleted')),
  protected: z.boolean().check(z.describe('The policy protects it: apply refuses')),
  stays: z
    .optional(z.literal(true))
    .check(z.describe('Of a staged workspace, and not named by `write`: apply leaves it out')),
});
export type WireChange = z.infer<typeof changeSchema>;

const paths = z.array(z.string().check(z.maxLength(4095))).check(z.maxLength(10_000));

/** Longer than that of other lists: a guest chooses the paths. */
const after = z
  .optional(
    z
      .string()
      .check(
        z.minLength(1, { error: 'after is empty' }),
        z.maxLength(4096),
        z.regex(/^[^\0]*$/, { error: 'no path holds a NUL byte' }),
      ),
  )
  .check(z.describe('Where to go on: `next` of the page before'));

const tag = 'changes';
const ERRORS = ['NOT_FOUND', 'SANDBOX_CLOSED', 'TOO_LARGE', 'LAUNCHER_FAILED'] as const;
/** Of one sandbox; more of them, or a path of more than 4096 bytes, are refused by name. */
export const MOST_CHANGES = 100_000;

export const listChanges = defineRoute({
  id: 'changes',
  method: 'GET',
  path: '/api/sandboxes/{id}/changes',
  tag,
  summary: 'What was changed in its workspace, by path',
  description:
    'Needs `workspace: overlay` in its policy. Each page is read anew from where it begins, in the order of the paths’ bytes: what changes behind `after` meanwhile shows, what changes before it does not, and nothing else is left out or told twice. A path of more than 4096 bytes on the way is refused: TOO_LARGE.',
  scope: 'sandboxes:read',
  params: idParam,
  query: z.strictObject({ ...pageFields, after }),
  answers: { 200: { description: 'A page', schema: pageOf(changeSchema) } },
  errors: ERRORS,
});

export const diffChanges = defineRoute({
  id: 'diff',
  method: 'GET',
  path: '/api/sandboxes/{id}/diff',
  tag,
  summary: 'The same as a unified diff of what is text, and a line for everything else',
  scope: 'sandboxes:read',
  params: idParam,
  query: z.strictObject({
    most: z.optional(
      wholeNumber(
        0,
        Number.MAX_SAFE_INTEGER,
        'It ends with the change that goes beyond so many characters, and says so; default none',
      ),
    ),
  }),
  answers: { 200: { description: 'A unified diff', content: 'text/plain; charset=utf-8' } },
  errors: ERRORS,
});

export const applyChanges = defineRoute({
  id: 'apply',
  method: 'POST',
  path: '/api/sandboxes/{id}/apply',
  tag,
  summary: 'Bring the changes into the workspace below',
  description:
    'Checked whole before anything is written. A workspace of the operator’s takes changes from tenants that may use it by name.',
  scope: 'sandboxes:write',
  params: idParam,
  body: z.strictObject({
    only: z.optional(paths.check(z.describe('These paths and what lies below them; default all'))),
    skipProtected: z
      .optional(z.boolean())
      .check(z.describe('Leave protected paths out instead of refusing the whole; default false')),
  }),
  bodyOptional: true,
  answers: {
    200: {
      description: 'What was done',
      schema: z.object({
        applied: z.array(changeSchema).check(z.describe('Brought into the workspace')),
        skipped: z.array(changeSchema).check(z.describe('Left out')),
      }),
    },
  },
  errors: [...ERRORS, 'CHANGES_CONFLICT', 'FORBIDDEN', 'PATH_ESCAPES', 'ABORTED'],
  executes: true,
  long: true,
});
