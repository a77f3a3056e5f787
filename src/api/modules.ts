/** Registered modules, and sources that are evaluated at once. */
import * as z from 'zod/mini';
import {
  listSchema,
  moduleInfoSchema,
  referenceSchema,
  registrationSchema,
  statisticsSchema,
} from '../modules/module-schemas.ts';
import { admissionReport } from './admission-report.ts';
import { outcomeSchema } from './outcome.ts';
import { pageFields, pageOf, yesOrNo } from './query.ts';
import { defineRoute } from './route.ts';
import { placeFields, STARTING } from './sandboxes.ts';
import { wireValue } from './value.ts';

const tag = 'modules';

const registering = [
  'MODULE_EXISTS',
  'MODULE_TOO_LARGE',
  'MODULE_CODE_INVALID',
  'MODULE_SIGNATURE_WRONG',
  'MODULE_REFUSED',
  'WASM_MALFORMED',
  'WASM_TOO_LARGE',
  'WASM_REFUSED',
  'WASM_IMPORTS_UNKNOWN',
  'KEY_INVALID',
  'TRUST_INVALID',
] as const;
const executing = [
  'MODULE_NOT_FOUND',
  'MODULE_DISABLED',
  'MODULE_REFUSED',
  'COMMAND_NOT_FOUND',
  'COMMAND_NOT_EXECUTABLE',
] as const;

/** As the library takes it, with bytes as base64. */
const wireRegistration = z.strictObject({
  ...registrationSchema.shape,
  code: z
    .union([z.string(), z.array(z.string())])
    .check(z.describe('js: source text; wasm: the module as base64; command: argv')),
  certificate: z
    .optional(z.base64().check(z.maxLength(6 * 2 ** 20)))
    .check(z.describe('Of kind wasm: a wasm-pcc/v1 certificate, as base64')),
  metadata: z
    .optional(z.record(z.string(), z.unknown()))
    .check(z.describe('An object of JSON, at most 16 KiB and 8 deep; default empty')),
});

/** JSON of any depth: a recursive schema has no place of its own in OpenAPI. */
const json = z
  .record(z.string(), z.unknown())
  .check(
    z.describe('As it was registered'),
  ) as unknown as (typeof moduleInfoSchema)['shape']['metadata'];

const wireModule = z.extend(moduleInfoSchema, {
  admission: admissionReport,
  metadata: json,
});

const registeredSchema = z.object({
  module: wireModule,
  added: z.boolean().check(z.describe('false: it was there already, with the same content')),
});

const evaluationSchema = z.extend(outcomeSchema, {
  value: z.optional(wireValue),
  error: z
    .optional(
      z.looseObject({
        name: z.string().check(z.describe('Of the error class')),
        message: z.string().check(z.describe('Text of the guest’s')),
        stack: z.optional(z.string()).check(z.describe('Text of the guest’s')),
      }),
    )
    .check(z.describe('What it threw, or what is wrong with its source')),
  fuel: z.optional(z.string()).check(z.describe('WASM: units that were used, where counted')),
});

const executionSchema = z.extend(evaluationSchema, {
  module: z
    .object({ id: z.string(), version: z.string(), digest: z.string() })
    .check(z.describe('Which one')),
});

export type WireEvaluation = z.infer<typeof evaluationSchema>;
export type WireRegistration = z.infer<typeof wireRegistration>;

const referenceParam = z.strictObject({ reference: referenceSchema });

const executionBody = z.strictObject({
  args: z
    .optional(wireValue)
    .check(z.describe('Arguments, an array; of a command texts behind its argv')),
  encoding: z
    .optional(z.enum(['json', 'devalue']))
    .check(
      z.describe(
        'How args and value are written: json (default), or devalue text, which keeps what JSON loses',
      ),
    ),
  export: z
    .optional(z.string().check(z.minLength(1), z.maxLength(256)))
    .check(z.describe('js and wasm: another export than it was registered with')),
  input: z.optional(z.string()).check(z.describe('Standard input, as text')),
  inputBase64: z.optional(z.base64()).check(z.describe('Standard input, as bytes')),
});

export const registerModule = defineRoute({
  id: 'registerModule',
  method: 'POST',
  path: '/api/modules',
  tag,
  summary: 'Check a module and keep it',
  description:
    'Nothing of it is executed. The same content under the same version again changes nothing (200).',
  scope: 'modules:write',
  body: wireRegistration,
  answers: {
    201: { description: 'It is registered', schema: registeredSchema },
    200: { description: 'It was, with the same content', schema: registeredSchema },
  },
  errors: [...registering, ...STARTING],
  idempotent: true,
  executes: true,
  long: true,
});

export const listModules = defineRoute({
  id: 'listModules',
  method: 'GET',
  path: '/api/modules',
  tag,
  summary: 'By id, and by version from the lowest',
  scope: 'modules:read',
  query: z.strictObject({
    ...pageFields,
    id: listSchema.shape.id,
    kind: listSchema.shape.kind,
    enabled: z.optional(yesOrNo('Enabled, or disabled ones alone')),
  }),
  answers: { 200: { description: 'A page', schema: pageOf(wireModule) } },
  errors: ['STORE_UNUSABLE'],
});

const inspectedSchema = z.extend(wireModule, {
  statistics: statisticsSchema,
  codeBase64: z.optional(z.string()).check(z.describe('Where it was asked for')),
});

export const inspectModule = defineRoute({
  id: 'inspectModule',
  method: 'GET',
  path: '/api/modules/{reference}',
  tag,
  summary: 'One of them, with the counts of its executions',
  scope: 'modules:read',
  params: referenceParam,
  query: z.strictObject({ code: z.optional(yesOrNo('Its code too')) }),
  answers: { 200: { description: 'What is known of it', schema: inspectedSchema } },
  errors: ['MODULE_NOT_FOUND', 'STORE_UNUSABLE'],
});

export const executeModule = defineRoute({
  id: 'executeModule',
  method: 'POST',
  path: '/api/modules/{reference}/execute',
  tag,
  summary: 'Execute it',
  description: 'What the module does is the answer, also where it throws.',
  scope: 'modules:execute',
  params: referenceParam,
  body: executionBody,
  answers: { 200: { description: 'What it came to', schema: executionSchema } },
  errors: [...executing, ...STARTING],
  idempotent: true,
  executes: true,
  long: true,
});

export const changeModule = defineRoute({
  id: 'changeModule',
  method: 'PATCH',
  path: '/api/modules/{reference}',
  tag,
  summary: 'Enable or disable it',
  scope: 'modules:write',
  params: referenceParam,
  body: z.strictObject({ enabled: z.boolean().check(z.describe('Whether it is executed')) }),
  answers: { 200: { description: 'As it is now', schema: wireModule } },
  errors: ['MODULE_NOT_FOUND', 'STORE_UNUSABLE'],
});

export const removeModule = defineRoute({
  id: 'removeModule',
  method: 'DELETE',
  path: '/api/modules/{reference}',
  tag,
  summary: 'Forget one version; named exactly',
  scope: 'modules:write',
  params: referenceParam,
  answers: { 204: { description: 'It is gone' } },
  errors: ['MODULE_NOT_FOUND', 'STORE_UNUSABLE'],
});

export const evaluateSource = defineRoute({
  id: 'evaluate',
  method: 'POST',
  path: '/api/evaluations',
  tag,
  summary: 'Evaluate a source at once',
  scope: 'sandboxes:write',
  body: z.strictObject({
    ...placeFields,
    language: z
      .enum(['javascript', 'typescript', 'wasm', 'python', 'shell'])
      .check(z.describe('Python and shell are commands: `input` is JSON on their stdin')),
    source: z
      .union([
        z.string(),
        z.strictObject({
          files: z
            .record(
              z.string().check(z.maxLength(512)),
              z.union([
                z.string(),
                z.strictObject({ base64: z.base64().check(z.describe('Bytes')) }),
              ]),
            )
            .check(z.describe('Texts, or bytes, by path, /-separated')),
          entry: z.string().check(z.describe('One of files')),
          imports: z
            .optional(z.record(z.string(), z.string()))
            .check(z.describe('Bare specifiers to paths, as in an import map')),
          libraries: z
            .optional(
              z.array(
                z.strictObject({
                  name: z.string().check(z.describe('For messages')),
                  source: z.string().check(z.describe('Script that is run before')),
                }),
              ),
            )
            .check(z.describe('Scripts in its global scope')),
        }),
      ])
      .check(z.describe('Text, of wasm base64; or several files, and which one is evaluated')),
    args: z.optional(wireValue).check(z.describe('Arguments of the export, an array')),
    input: z
      .optional(wireValue)
      .check(z.describe('Instead of args: the one argument, or JSON on stdin')),
    encoding: executionBody.shape.encoding,
    export: executionBody.shape.export,
    keep: z
      .optional(z.enum(['nothing', 'isolate', 'context']))
      .check(z.describe('What stays for the next evaluation of the same source')),
    memoryBytes: z.optional(z.int().check(z.positive())).check(z.describe('Bytes')),
    cpuMs: z.optional(z.int().check(z.positive())).check(z.describe('Milliseconds')),
    timeoutMs: z.optional(z.int().check(z.positive())).check(z.describe('Milliseconds')),
    compileOnly: z.optional(z.literal(true)).check(z.describe('Runs nothing')),
    stdinBase64: z.optional(z.base64()).check(z.describe('Of a command, instead of input')),
    words: z.optional(z.array(z.string())).check(z.describe('Of a command: sys.argv[1:], $1 …')),
    env: z.optional(z.record(z.string(), z.string())).check(z.describe('Of a command')),
    wasm: z
      .optional(
        z.strictObject({
          args: z.optional(z.array(z.string())).check(z.describe('Of a command, its name first')),
          env: z.optional(z.record(z.string(), z.string())).check(z.describe('Default none')),
          stdinBase64: z.optional(z.base64()).check(z.describe('Default at its end')),
          fuel: z
            .optional(z.string().check(z.regex(/^[1-9]\d{0,18}$/)))
            .check(z.describe('Instructions that it may execute')),
          deterministic: z
            .optional(z.strictObject({ seed: z.string().check(z.describe('Of random numbers')) }))
            .check(z.describe('The same inputs give the same outputs')),
          certificateBase64: z
            .optional(z.base64())
            .check(z.describe('A wasm-pcc/v1 certificate: docs/proof.md')),
        }),
      )
      .check(z.describe('For WASM alone')),
  }),
  answers: { 200: { description: 'What it came to', schema: evaluationSchema } },
  errors: [
    ...executing,
    ...STARTING,
    'WASM_MALFORMED',
    'WASM_REFUSED',
    'WASM_IMPORTS_UNKNOWN',
    'WASM_TOO_LARGE',
  ],
  idempotent: true,
  executes: true,
  long: true,
});
