/** Shells whose directory, environment and background jobs persist between their commands. */
import * as z from 'zod/mini';
import { admissionReport } from './admission-report.ts';
import { outputSchema } from './outcome.ts';
import { idParam } from './query.ts';
import { defineRoute } from './route.ts';

const shellParams = z.strictObject({
  ...idParam.shape,
  shell: z.string().check(z.minLength(1), z.maxLength(128), z.describe('Id of the shell')),
});
const shellSchema = z.object({
  id: z.string().check(z.describe('Its id')),
  createdMs: z.number().check(z.describe('Unix milliseconds')),
});
const shellOutcome = z.object({
  kind: z
    .enum(['exited', 'ended', 'timed-out', 'killed'])
    .check(z.describe('ended: the command ended the shell itself')),
  code: z.optional(z.int()).check(z.describe('As $? has it')),
  stdout: outputSchema,
  stderr: outputSchema,
  cwd: z.optional(z.string()).check(z.describe('Its directory afterwards')),
  admission: z.optional(admissionReport),
});
const tag = 'commands';
const GONE = ['NOT_FOUND', 'SANDBOX_CLOSED'] as const;

export const openShell = defineRoute({
  id: 'openShell',
  method: 'POST',
  path: '/api/sandboxes/{id}/shells',
  tag,
  summary: 'A shell that stays; it starts with its first command',
  scope: 'sandboxes:write',
  params: idParam,
  body: z.strictObject({
    program: z
      .optional(z.enum(['bash', 'sh']))
      .check(z.describe('Default bash where the sandbox has it, else sh')),
    outputBytes: z
      .optional(z.int().check(z.gte(1), z.lte(16 * 2 ** 20)))
      .check(z.describe('Of each command and stream, kept; default and at most 16 MiB')),
  }),
  bodyOptional: true,
  answers: { 201: { description: 'It is there', schema: shellSchema } },
  errors: [...GONE, 'QUOTA_EXCEEDED'],
});

export const listShells = defineRoute({
  id: 'listShells',
  method: 'GET',
  path: '/api/sandboxes/{id}/shells',
  tag,
  summary: 'The shells of a sandbox',
  scope: 'sandboxes:read',
  params: idParam,
  answers: {
    200: {
      description: 'Oldest first',
      schema: z.object({ items: z.array(shellSchema).check(z.describe('Shells')) }),
    },
  },
  errors: GONE,
});

export const runInShell = defineRoute({
  id: 'runInShell',
  method: 'POST',
  path: '/api/sandboxes/{id}/shells/{shell}',
  tag,
  summary: 'Run a command in a shell; one after the other',
  description: 'A command whose client goes away, or that takes too long, ends with its shell.',
  scope: 'sandboxes:write',
  params: shellParams,
  body: z.strictObject({
    command: z.string().check(z.maxLength(512 * 1024), z.describe('As one types it')),
    timeoutMs: z
      .optional(z.int().check(z.gte(1), z.lte(20 * 24 * 3600 * 1000)))
      .check(z.describe('Then the shell is ended; the next command gets a new one')),
  }),
  answers: { 200: { description: 'What it came to', schema: shellOutcome } },
  errors: [
    ...GONE,
    'QUOTA_EXCEEDED',
    'ADMISSION_REFUSED',
    'LAUNCHER_FAILED',
    'LAUNCHER_GONE',
    'ABORTED',
  ],
  idempotent: true,
  executes: true,
  long: true,
});

export const closeShell = defineRoute({
  id: 'closeShell',
  method: 'DELETE',
  path: '/api/sandboxes/{id}/shells/{shell}',
  tag,
  summary: 'End a shell and everything that it started',
  scope: 'sandboxes:write',
  params: shellParams,
  answers: { 204: { description: 'It is gone' } },
  errors: GONE,
});
