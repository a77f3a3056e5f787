/**
 * A guest process over a WebSocket: one connection, one process.
 *
 * The first message of the client is the start document, as text. After that each binary message is a channel (one
 * byte) and its bytes, each text message a control or an event as JSON.
 */
import * as z from 'zod/mini';
import { outcomeSchema } from './outcome.ts';
import { problemSchema } from './problem.ts';
import { idParam } from './query.ts';
import { defineRoute } from './route.ts';
import { COMMAND, commandFields, managedFields, placeFields, STARTING } from './sandboxes.ts';

/** First byte of each binary message. */
export const CHANNEL = { stdin: 0, stdout: 1, stderr: 2 } as const;

/** So many bytes of stdin a client may be ahead of what `taken` told it; beyond, it is not read from. */
export const STDIN_WINDOW = 1024 * 1024;

const side = (description: string) =>
  z.int().check(z.gte(1), z.lte(65_535), z.describe(description));
const sizeFields = { rows: side('Rows'), columns: side('Columns') };

const startFields = {
  ...commandFields,
  pty: z
    .optional(z.strictObject(sizeFields))
    .check(z.describe('A terminal of this size; stdout and stderr are then one')),
  detach: z
    .optional(z.boolean())
    .check(
      z.describe(
        'It goes on when the connection ends; what it writes then goes nowhere. Default false: it is ended',
      ),
    ),
};

export const spawnStart = z.strictObject(startFields);
export const spawnRunStart = z.strictObject({ ...startFields, ...placeFields, ...managedFields });

/** What a client says after the start document. */
export const spawnControl = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('signal'),
    signal: z
      .string()
      .check(z.maxLength(16), z.describe('Name of a signal, for its process group: SIGTERM')),
  }),
  z.strictObject({ type: z.literal('resize'), ...sizeFields }),
  z.strictObject({ type: z.literal('end') }),
  z.strictObject({ type: z.literal('kill') }),
]);

/** What the service says. After `outcome` or `problem` it closes the connection. */
export const spawnEvent = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('started'),
    id: z
      .optional(z.string())
      .check(z.describe('Of a run: its id among the sandboxes, to be inspected and ended by')),
    pid: z
      .optional(z.int())
      .check(z.describe('Process id of what it runs below, on the service’s machine')),
  }),
  z.object({
    type: z.literal('taken'),
    bytes: z.int().check(z.describe('So many bytes of stdin the guest has taken so far')),
  }),
  z.object({ type: z.literal('outcome'), outcome: outcomeSchema }),
  z.object({ type: z.literal('problem'), problem: problemSchema }),
]);

export type WireSpawnControl = z.infer<typeof spawnControl>;
export type WireSpawnEvent = z.input<typeof spawnEvent>;

const tag = 'commands';
const description =
  'A WebSocket; its first message is the start document, and docs/service-streams.md has the rest. Messages have at most 1 MiB.';
const switching = { 101: { description: 'A WebSocket' } } as const;

export const spawnInSandbox = defineRoute({
  id: 'spawn',
  method: 'GET',
  path: '/api/sandboxes/{id}/spawn',
  tag,
  summary: 'Start a command in it, with its streams',
  description,
  scope: 'sandboxes:write',
  params: idParam,
  answers: switching,
  errors: ['NOT_FOUND', 'SANDBOX_CLOSED', ...COMMAND],
  executes: true,
  socket: true,
});

export const spawnRun = defineRoute({
  id: 'spawnRun',
  method: 'GET',
  path: '/api/runs/spawn',
  tag,
  summary: 'Start a command in a sandbox of its own, with its streams',
  description,
  scope: 'sandboxes:write',
  answers: switching,
  errors: [...STARTING, ...COMMAND],
  executes: true,
  socket: true,
});
