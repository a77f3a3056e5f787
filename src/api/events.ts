/** A command whose output comes as server-sent events. */
import * as z from 'zod/mini';
import { outcomeSchema } from './outcome.ts';
import { problemSchema } from './problem.ts';
import { idParam } from './query.ts';
import { defineRoute } from './route.ts';
import {
  COMMAND,
  commandFields,
  inputFields,
  managedFields,
  placeFields,
  STARTING,
} from './sandboxes.ts';

/** `data` of the events `stdout` and `stderr`: one of both. */
const outputEvent = z.union([
  z.strictObject({ text: z.string().check(z.describe('What was written, where it is UTF-8')) }),
  z.strictObject({ base64: z.string().check(z.describe('What was written, where it is not')) }),
]);
export type WireOutputEvent = z.infer<typeof outputEvent>;

/** `data` by name of the event, in the order in which they come. */
export const commandEvents = {
  started: z.strictObject({
    id: z
      .optional(z.string())
      .check(z.describe('Of a run: its id among the sandboxes, to be inspected and ended by')),
    pid: z
      .optional(z.int())
      .check(z.describe('Process id of what it runs below, on the service’s machine')),
  }),
  stdout: outputEvent,
  stderr: outputEvent,
  /** The last one. The events had its output: none of it is kept here. */
  outcome: outcomeSchema,
  /** The last one, where it came to no outcome. */
  problem: problemSchema,
};

const tag = 'commands';
const description =
  'Events: `started`, `stdout` and `stderr` ({text} or {base64}), and last `outcome` or `problem`. The command ends with the connection.';
const events = { 200: { description: 'Events', content: 'text/event-stream' } } as const;

export const streamInSandbox = defineRoute({
  id: 'stream',
  method: 'POST',
  path: '/api/sandboxes/{id}/stream',
  tag,
  summary: 'Run a command in it; what it writes comes as events',
  description,
  scope: 'sandboxes:write',
  params: idParam,
  body: z.strictObject({ ...commandFields, ...inputFields }),
  answers: events,
  errors: ['NOT_FOUND', 'SANDBOX_CLOSED', ...COMMAND],
  executes: true,
});

export const streamRun = defineRoute({
  id: 'streamRun',
  method: 'POST',
  path: '/api/runs/stream',
  tag,
  summary: 'Run a command in a sandbox of its own; what it writes comes as events',
  description,
  scope: 'sandboxes:write',
  body: z.strictObject({ ...commandFields, ...inputFields, ...placeFields, ...managedFields }),
  answers: events,
  errors: [...STARTING, ...COMMAND],
  executes: true,
});
