/** What is asked of the registry, and what it says of a module: the only source of these types. */
import * as z from 'zod/mini';
import { CAPABILITIES } from '../core/admission.ts';
import { MODULE_KINDS, moduleManifestSchema, moduleRecordSchema } from '../store/module-record.ts';
import { copyMetadata } from './module-metadata.ts';
import { MODULE_VERSION } from './module-version.ts';

export const MODULE_ID: RegExp = /^[a-z0-9][a-z0-9._-]{0,63}$/;

const id = z.string().check(
  z.regex(MODULE_ID, {
    error: 'write 1 to 64 of a–z, 0–9, `.`, `_` and `-`, a letter or digit first',
  }),
);
const version = z
  .string()
  .check(
    z.maxLength(64, { error: 'write at most 64 characters' }),
    z.regex(MODULE_VERSION, { error: 'write a semantic version, such as 1.0.0 or 2.1.0-beta.1' }),
  );
const bytes = z.custom<Uint8Array>((value) => value instanceof Uint8Array, {
  error: 'write bytes',
});
const quantity = z.int().check(z.positive({ error: 'write a whole number above 0' }));
const metadata = z.pipe(
  z.unknown(),
  z.transform((value, context) => {
    try {
      return copyMetadata(value);
    } catch (error) {
      context.issues.push({
        code: 'custom',
        message: (error as Error).message,
        input: undefined,
      });
      return z.NEVER;
    }
  }),
);

export const registrationSchema = z.strictObject({
  id: id.check(z.describe('Name')),
  version: version.check(z.describe('Semantic version; what is registered under it never changes')),
  kind: z
    .enum(MODULE_KINDS, { error: `write one of ${MODULE_KINDS.join(', ')}` })
    .check(z.describe('What evaluates it')),
  language: z
    .optional(z.enum(['javascript', 'typescript']))
    .check(z.describe('Of kind js; default javascript')),
  code: z
    .union([z.string(), bytes, z.array(z.string())])
    .check(z.describe('js: source text; wasm: the module, its bytes or base64; command: argv')),
  export: z
    .optional(
      z.string().check(z.minLength(1), z.maxLength(256, { error: 'write at most 256 characters' })),
    )
    .check(z.describe('Export that is called; default `default`, of a WASI command _start')),
  keep: z
    .optional(z.enum(['nothing', 'isolate', 'context']))
    .check(
      z.describe('What stays from one execution to the next: nothing (default), isolate, context'),
    ),
  limits: z
    .optional(
      z.strictObject({
        timeoutMs: z
          .optional(quantity)
          .check(z.describe('Wall-clock time, milliseconds; default 30 s, or the ceiling')),
        cpuMs: z
          .optional(quantity)
          .check(z.describe('Processor time, milliseconds; default 5 s, never above timeoutMs')),
        memoryBytes: z
          .optional(quantity)
          .check(z.describe('Memory, bytes; default 128 MiB, or the ceiling')),
      }),
    )
    .check(z.describe('Of each execution')),
  signature: z
    .optional(z.string())
    .check(z.describe('Ed25519 over the 32 bytes of SHA-256 of the code, base64')),
  publicKey: z
    .optional(z.string())
    .check(z.describe('PEM (SPKI) of an Ed25519 key; verified where the signature is there too')),
  declares: z
    .optional(z.array(z.enum(CAPABILITIES)).check(z.maxLength(CAPABILITIES.length)))
    .check(
      z.describe(
        'Effects that it says it has; default none. What the policy lets none declare counts in full',
      ),
    ),
  signatures: z
    .optional(
      z
        .array(z.string().check(z.maxLength(64 * 1024, { error: 'write at most 64 KiB' })))
        .check(z.maxLength(16)),
    )
    .check(z.describe('DSSE envelopes or Sigstore bundles about it, JSON: docs/signing.md')),
  certificate: z
    .optional(
      bytes.check(z.refine((value) => value.length <= 4 * 2 ** 20, { error: 'at most 4 MiB' })),
    )
    .check(z.describe('Of kind wasm: a wasm-pcc/v1 certificate: docs/proof.md')),
  metadata: z
    .optional(metadata)
    .check(z.describe('An object of JSON, at most 16 KiB and 8 deep; default empty')),
});

export type ModuleRegistration = z.input<typeof registrationSchema>;

export const ceilingsSchema = z.strictObject({
  codeBytes: z
    ._default(quantity.check(z.maximum(32 * 2 ** 20)), 100_000)
    .check(z.describe('Code of a module; default 100 KB, at most 32 MiB')),
  timeoutMs: z
    ._default(quantity, 30_000)
    .check(z.describe('Wall-clock limit of a module; default 30 s')),
  memoryBytes: z
    ._default(quantity, 512 * 2 ** 20)
    .check(z.describe('Memory limit of a module; default 512 MiB')),
});

export type ModuleCeilings = z.input<typeof ceilingsSchema>;
export type Ceilings = z.output<typeof ceilingsSchema>;

export const referenceSchema = z.string().check(
  z.maxLength(129),
  z.refine(
    (text) => {
      const { id: name, version: exact } = splitReference(text);
      return MODULE_ID.test(name) && (exact === undefined || MODULE_VERSION.test(exact));
    },
    { error: 'write ID@VERSION, or ID for its latest release' },
  ),
  z.describe('ID@VERSION, or ID for its latest release'),
);

export const executeSchema = z.strictObject({
  args: z
    .optional(z.array(z.unknown()))
    .check(z.describe('Arguments; of a command and a WASI command texts behind its argv')),
  export: z
    .optional(z.string().check(z.minLength(1), z.maxLength(256)))
    .check(z.describe('js and wasm: another export than it was registered with')),
  input: z
    .optional(z.union([z.string(), bytes]))
    .check(z.describe('command and wasm: standard input')),
});

export type ModuleExecuteRequest = z.input<typeof executeSchema>;

export const listSchema = z.strictObject({
  id: z.optional(id).check(z.describe('Versions of this one alone')),
  kind: z.optional(z.enum(MODULE_KINDS)).check(z.describe('Of this kind alone')),
  enabled: z.optional(z.boolean()).check(z.describe('Enabled, or disabled ones alone')),
});

export type ModuleFilter = z.input<typeof listSchema>;

export const moduleInfoSchema = z.extend(moduleManifestSchema, {
  enabled: z.boolean().check(z.describe('Whether it is executed')),
  signed: z
    .enum(['no', 'unverified', 'verified'])
    .check(z.describe('Whether it is signed, and by the key that was given with it')),
  interface: moduleRecordSchema.shape.interface,
  admission: moduleRecordSchema.shape.admission,
  registeredMs: moduleRecordSchema.shape.registeredMs,
});

export type ModuleInfo = z.infer<typeof moduleInfoSchema>;

export const statisticsSchema = z.strictObject({
  executions: z.int().check(z.describe('How many')),
  outcomes: z
    .record(z.string(), z.int())
    .check(
      z.describe(
        'succeeded; failed: threw, or another exit code than 0; a kind of outcome; rejected: was not executed',
      ),
    ),
  durationMs: z
    .strictObject({
      mean: z.number().check(z.describe('Milliseconds')),
      p50: z.number().check(z.describe('Within a tenth')),
      p95: z.number().check(z.describe('Within a tenth')),
      max: z.number().check(z.describe('Milliseconds')),
    })
    .check(z.describe('From its turn to its end')),
  lastMs: z.optional(z.number()).check(z.describe('When the last one ended; Unix ms')),
  lastOutcome: z.optional(z.string()).check(z.describe('How it ended')),
});

export type ModuleStatistics = z.infer<typeof statisticsSchema>;

export function splitReference(text: string): { id: string; version?: string } {
  const at = text.indexOf('@');
  return at < 0 ? { id: text } : { id: text.slice(0, at), version: text.slice(at + 1) };
}
