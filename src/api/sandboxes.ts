/** Sandboxes: made, listed, looked at, ended; and one command in a sandbox of its own. */
import * as z from 'zod/mini';
import { CAPABILITIES } from '../core/admission.ts';
import { SANDBOX_STATES } from '../store/managed-record.ts';
import { outcomeSchema, usageSchema } from './outcome.ts';
import { policyInput } from './policy-input.ts';
import { idParam, labels, pageFields, pageOf } from './query.ts';
import { defineRoute } from './route.ts';

const milliseconds = (most: number, description: string) =>
  z.int().check(z.gte(1), z.lte(most), z.describe(description));
const DAYS = 24 * 3600 * 1000;

const MOST_ARGUMENTS = 4096;

export const argv = z
  .array(z.string().check(z.maxLength(128 * 1024)))
  .check(
    z.minLength(1),
    z.maxLength(MOST_ARGUMENTS),
    z.describe('Program and arguments; no shell reads them'),
  );

/** What a command is started with. */
export const commandFields = {
  argv,
  cwd: z
    .optional(z.string().check(z.maxLength(4096)))
    .check(z.describe('Inside; default the workspace, else the home')),
  env: z
    .optional(
      z.record(z.string().check(z.maxLength(256)), z.string().check(z.maxLength(128 * 1024))),
    )
    .check(z.describe('Set for it, over what the policy sets')),
  timeoutMs: z.optional(milliseconds(20 * DAYS, 'Wall-clock limit, never above the policy’s own')),
};

/** Standard input, as text or as bytes. */
export const inputFields = {
  input: z.optional(z.string()).check(z.describe('Standard input, as text')),
  inputBase64: z.optional(z.string()).check(z.describe('Standard input, as bytes')),
};

/** As a signature states them. */
export const statedLimits = z.strictObject({
  timeoutMs: z.optional(z.int()).check(z.describe('Milliseconds')),
  cpuMs: z.optional(z.int()).check(z.describe('Milliseconds')),
  memoryBytes: z.optional(z.int()).check(z.describe('Bytes')),
});

/** What vouches for the code, where the policy asks. */
const claims = z
  .strictObject({
    name: z.optional(z.string().check(z.maxLength(256))).check(z.describe('What it was signed as')),
    declares: z
      .optional(z.array(z.enum(CAPABILITIES)).check(z.maxLength(CAPABILITIES.length)))
      .check(z.describe('Effects that it says it has')),
    signatures: z
      .optional(z.array(z.string().check(z.maxLength(64 * 1024))).check(z.maxLength(16)))
      .check(z.describe('DSSE envelopes or Sigstore bundles about it: docs/signing.md')),
    certificate: z
      .optional(z.base64().check(z.maxLength(6 * 2 ** 20)))
      .check(z.describe('Of WASM: a wasm-pcc/v1 certificate: docs/proof.md')),
    limits: z.optional(statedLimits).check(z.describe('Of its executions, as they were signed')),
  })
  .check(z.describe('What vouches for the code, where the policy asks'));

/** Where it happens. */
export const placeFields = {
  policy: z.optional(policyInput),
  workspace: z
    .optional(z.string().check(z.maxLength(200)))
    .check(
      z.describe(
        'private: an empty directory that ends with the sandbox; or the name of one that the operator offers. Default none',
      ),
    ),
  accept: z
    .optional(z.array(z.string().check(z.maxLength(200))).check(z.maxLength(64)))
    .check(
      z.describe('Ids of what the host cannot enforce; the operator lists which may be accepted'),
    ),
  secrets: z
    .optional(
      z.record(z.string().check(z.maxLength(256)), z.string().check(z.maxLength(64 * 1024))),
    )
    .check(z.describe('Values of the policy’s secrets; they never go inside, nor into a log')),
  claims: z.optional(claims),
};

/** How it is looked after. */
export const managedFields = {
  labels: z.optional(labels),
  priority: z
    .optional(z.int().check(z.gte(-100), z.lte(100)))
    .check(z.describe('Higher first, among the requests of one tenant; default 0')),
  queueTimeoutMs: z.optional(milliseconds(DAYS, 'How long it may wait for room')),
  ttlMs: z.optional(milliseconds(24 * DAYS, 'From when it has room; then it is ended')),
};

const sandboxState = z.enum(SANDBOX_STATES).check(z.describe('docs/manager.md'));

export const sandboxSchema = z.object({
  id: z.string().check(z.describe('UUIDv7')),
  kind: z.enum(['run', 'sandbox']).check(z.describe('One command, or a sandbox that stays')),
  state: sandboxState,
  waiting: z.boolean().check(z.describe('It waits for room')),
  tenant: z.string().check(z.describe('Whose it is')),
  labels,
  priority: z.int().check(z.describe('Among requests of its tenant')),
  policyDigest: z.string().check(z.describe('Of its policy')),
  sandbox: z.optional(z.string()).check(z.describe('Its id in audit and live usage')),
  createdMs: z.number().check(z.describe('Unix milliseconds')),
  ageMs: z.number().check(z.describe('Milliseconds, until now or its end')),
  remainingMs: z.optional(z.number()).check(z.describe('Until its time to live ends')),
  reason: z.optional(z.string()).check(z.describe('Why it is in this state')),
  unrecorded: z.optional(z.string()).check(z.describe('Why its state is not in the store')),
  cwd: z.optional(z.string()).check(z.describe('Directory that commands start in, inside')),
  usage: z.optional(usageSchema).check(z.describe('Where it was asked for and it runs')),
  network: z
    .optional(z.record(z.string(), z.unknown()))
    .check(z.describe('What it may reach, where it was asked for and has a filtered network')),
});
export type WireSandbox = z.infer<typeof sandboxSchema>;

const tag = 'sandboxes';
export const STARTING = [
  'POLICY_INVALID',
  'POLICY_NOT_FOUND',
  'POLICY_TOO_LARGE',
  'POLICY_BEYOND_CEILING',
  'UNENFORCEABLE',
  'UNISOLATED',
  'WALL_UNAVAILABLE',
  'PATH_MISSING',
  'WORKSPACE_UNSUPPORTED',
  'RESOURCE_EXHAUSTED',
  'QUEUE_FULL',
  'QUOTA_EXCEEDED',
  'ADMISSION_REFUSED',
  'AUDIT_UNAVAILABLE',
  'STORE_UNUSABLE',
  'NETWORK_FAILED',
  'NETWORK_GONE',
  'LAUNCHER_FAILED',
  'LAUNCHER_GONE',
  'PLAN_INVALID',
  'ABORTED',
] as const;
export const COMMAND = ['COMMAND_NOT_FOUND', 'COMMAND_NOT_EXECUTABLE'] as const;

export const runCommand = defineRoute({
  id: 'run',
  method: 'POST',
  path: '/api/runs',
  tag,
  summary: 'Run one command in a sandbox of its own',
  description:
    'The sandbox is gone when it answers. What the guest does is the outcome, also where it fails.',
  scope: 'sandboxes:write',
  body: z.strictObject({ ...commandFields, ...inputFields, ...placeFields, ...managedFields }),
  answers: { 200: { description: 'What it came to', schema: outcomeSchema } },
  errors: [...STARTING, ...COMMAND],
  idempotent: true,
  executes: true,
  long: true,
});

export const createSandbox = defineRoute({
  id: 'createSandbox',
  method: 'POST',
  path: '/api/sandboxes',
  tag,
  summary: 'Make a sandbox that stays',
  scope: 'sandboxes:write',
  body: z.strictObject({
    ...placeFields,
    ...managedFields,
    idleTimeoutMs: z.optional(
      milliseconds(24 * DAYS, 'So long without a request; then it is ended'),
    ),
    name: z
      .optional(z.string().check(z.maxLength(63)))
      .check(z.describe('What the others of its internal network call it')),
  }),
  answers: { 201: { description: 'It is there', schema: sandboxSchema } },
  errors: [...STARTING],
  idempotent: true,
  executes: true,
  long: true,
});

export const listSandboxes = defineRoute({
  id: 'listSandboxes',
  method: 'GET',
  path: '/api/sandboxes',
  tag,
  summary: 'What is there, and what ended last; oldest first',
  scope: 'sandboxes:read',
  query: z.strictObject({
    ...pageFields,
    state: z.optional(sandboxState),
    label: z
      .optional(
        z.string().check(z.maxLength(513), z.regex(/^[^=]+=/, { error: 'write NAME=VALUE' })),
      )
      .check(z.describe('NAME=VALUE')),
  }),
  answers: { 200: { description: 'A page', schema: pageOf(sandboxSchema) } },
});

export const inspectSandbox = defineRoute({
  id: 'inspectSandbox',
  method: 'GET',
  path: '/api/sandboxes/{id}',
  tag,
  summary: 'One of them, with what it uses',
  scope: 'sandboxes:read',
  params: idParam,
  answers: { 200: { description: 'What is known of it', schema: sandboxSchema } },
  errors: ['NOT_FOUND'],
});

export const killSandbox = defineRoute({
  id: 'killSandbox',
  method: 'DELETE',
  path: '/api/sandboxes/{id}',
  tag,
  summary: 'End it; nothing of it is left when this answers',
  scope: 'sandboxes:write',
  params: idParam,
  answers: { 200: { description: 'What became of it', schema: sandboxSchema } },
  errors: ['NOT_FOUND'],
  long: true,
});

export const execInSandbox = defineRoute({
  id: 'exec',
  method: 'POST',
  path: '/api/sandboxes/{id}/exec',
  tag,
  summary: 'Run a command in it to its end',
  scope: 'sandboxes:write',
  params: idParam,
  body: z.strictObject({ ...commandFields, ...inputFields }),
  answers: { 200: { description: 'What it came to', schema: outcomeSchema } },
  errors: [
    ...COMMAND,
    'NOT_FOUND',
    'SANDBOX_CLOSED',
    'ADMISSION_REFUSED',
    'AUDIT_UNAVAILABLE',
    'LAUNCHER_FAILED',
    'LAUNCHER_GONE',
    'NETWORK_GONE',
    'ABORTED',
  ],
  idempotent: true,
  executes: true,
  long: true,
});
