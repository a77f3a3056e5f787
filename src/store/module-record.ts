/**
 * What is remembered of a registered module, and the port behind which it is kept. Asynchronous for the same reason as
 * {@link import('./managed-record.ts').ManagedStore}.
 */
import * as z from 'zod/mini';
import type { AdmissionReport } from '../core/admission.ts';
import { CAPABILITIES } from '../core/admission.ts';

export const MODULE_KINDS = ['js', 'wasm', 'command'] as const;

const externals = z.array(
  z.strictObject({
    name: z.string().check(z.describe('Of an import `module.name`')),
    kind: z.string().check(z.describe('function, memory, table or global')),
    type: z.string().check(z.describe('`(i32) -> (i32)`, `memory 1..16`')),
  }),
);

/** What never changes of a version. */
export const moduleManifestSchema = z.strictObject({
  id: z.string().check(z.describe('Name')),
  version: z.string().check(z.describe('Semantic version')),
  kind: z.enum(MODULE_KINDS).check(z.describe('What evaluates it')),
  language: z.optional(z.enum(['javascript', 'typescript'])).check(z.describe('Of kind js')),
  digest: z.string().check(z.describe('SHA-256 of the code, in hexadecimal')),
  codeBytes: z.int().check(z.describe('Length of the code')),
  export: z
    .string()
    .check(z.describe('Export that is called; `default` of a WASI command: _start')),
  keep: z
    .enum(['nothing', 'isolate', 'context'])
    .check(z.describe('What stays from one execution to the next')),
  limits: z
    .strictObject({
      timeoutMs: z.int().check(z.describe('Wall-clock time, milliseconds')),
      cpuMs: z.int().check(z.describe('Processor time, milliseconds')),
      memoryBytes: z.int().check(z.describe('Memory, bytes')),
    })
    .check(z.describe('Of each execution')),
  signature: z.optional(z.string()).check(z.describe('Ed25519 over the digest, base64')),
  publicKey: z.optional(z.string()).check(z.describe('PEM (SPKI)')),
  declares: z
    .optional(z.array(z.enum(CAPABILITIES)))
    .check(z.describe('Effects that it says it has')),
  signatures: z
    .optional(z.array(z.string()))
    .check(z.describe('DSSE envelopes or Sigstore bundles')),
  certificate: z.optional(z.string()).check(z.describe('Of kind wasm: wasm-pcc/v1, base64')),
  metadata: z.record(z.string(), z.json()).check(z.describe('Given by whoever registered it')),
});

export type ModuleManifest = z.infer<typeof moduleManifestSchema>;

const DECISIONS: readonly unknown[] = ['unchecked', 'admitted', 'strengthened'];

/** What is executed is looked at again: this is for whoever asks what was said. */
function isReport(value: unknown): boolean {
  return (
    typeof value === 'object' &&
    value !== null &&
    DECISIONS.includes((value as AdmissionReport).decision)
  );
}

export const moduleRecordSchema = z.strictObject({
  manifest: moduleManifestSchema.check(z.describe('What never changes')),
  interface: z
    .optional(
      z.strictObject({
        imports: externals.check(z.describe('What it asks for')),
        exports: externals.check(z.describe('What it offers')),
      }),
    )
    .check(z.describe('Of kind wasm')),
  admission: z
    .custom<AdmissionReport>(isReport)
    .check(z.describe('What was said of it when it was registered')),
  registeredMs: z.number().check(z.describe('Wall clock, Unix ms')),
});

export type ModuleRecord = z.infer<typeof moduleRecordSchema>;

export interface StoredModule {
  readonly record: ModuleRecord;
  readonly enabled: boolean;
}

export const executionCountsSchema = z.strictObject({
  executions: z.int().check(z.describe('How many')),
  outcomes: z.record(z.string(), z.int()).check(z.describe('How many of them ended in each way')),
  totalMs: z.number().check(z.describe('Sum of their durations, milliseconds')),
  maxMs: z.number().check(z.describe('The longest, milliseconds')),
  durations: z
    .record(z.string(), z.int())
    .check(z.describe('How many had a duration of each bucket; see modules/durations.ts')),
  lastMs: z.number().check(z.describe('When the last one ended; wall clock, Unix ms')),
  lastOutcome: z.string().check(z.describe('How it ended')),
});

export type ExecutionCounts = z.infer<typeof executionCountsSchema>;

export interface ModuleName {
  readonly id: string;
  readonly version: string;
}

/** What is there under the name of a version. `differs`: with another identity, or removed with another one. */
export interface FoundModule {
  readonly result: 'absent' | 'added' | 'exists' | 'differs';
  readonly stored?: StoredModule;
}

export interface ModuleStore {
  find(name: ModuleName, identity: string): Promise<FoundModule>;
  /**
   * @param identity of manifest and code: a version that was there keeps it, also after it was removed
   * @returns what is stored then
   */
  add(record: ModuleRecord, code: Uint8Array, identity: string): Promise<FoundModule>;
  get(name: ModuleName): Promise<StoredModule | undefined>;
  code(digest: string): Promise<Uint8Array | undefined>;
  /** Default: all. */
  list(id?: string): Promise<StoredModule[]>;
  /** @returns whether it is there */
  enable(name: ModuleName, enabled: boolean): Promise<boolean>;
  /** @returns whether it was there */
  remove(name: ModuleName): Promise<boolean>;
  counts(name: ModuleName): Promise<ExecutionCounts | undefined>;
  /**
   * Merges counts in; those of modules that have been removed are dropped. Waits for nobody.
   *
   * @returns false where it could not be done now
   */
  addCounts(
    counts: readonly (ModuleName & { readonly counts: ExecutionCounts })[],
    merge: (a: ExecutionCounts, b: ExecutionCounts) => ExecutionCounts,
  ): boolean;
  /**
   * Whether a module was added, changed or removed by somebody else since this was asked last; may say so for
   * what was changed here. Takes microseconds.
   */
  hasChanged(): boolean;
  close(): Promise<void>;
}
