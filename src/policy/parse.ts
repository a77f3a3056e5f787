/**
 * From text, or from a document in memory, to the normalised policy.
 *
 * Loads zod and yaml: import it where a policy is read, not at the start of a program.
 */
import { CaissonError, type Result, toResult } from '../core/error.ts';
import type { PolicyDocument } from './document.ts';
import { checkOptions } from './known-options.ts';
import { type NormalizeContext, normalize } from './normalize.ts';
import { PARSE, POLICY_CONTEXT } from './option-kinds.ts';
import type { Policy } from './policy.ts';
import { type Problem, policyInvalid } from './problems.ts';
import { isProfileName, profiles } from './profiles.ts';
import type { DocumentLayer } from './sheet.ts';
import { suggest } from './suggest.ts';
import { validateDocument } from './validate.ts';
import { readYaml, type YamlSource } from './yaml-source.ts';

/** The largest policy, in bytes of UTF-8. Looked at before anything is parsed. */
export const MAX_POLICY_BYTES = 256 * 1024;

const DEEPEST_EXTENDS = 16;
const MOST_LAYERS = 64;

/** A policy file that another one extends. */
export interface ResolvedPolicy {
  readonly text: string | Uint8Array;
  /** Names the file in messages and for finding cycles: one name for one file. */
  readonly source: string;
}

export interface PolicyContext extends NormalizeContext {
  /**
   * Reads what `extends` names (profiles are known without it). `from` is the source that names it.
   * Nothing: there is no such file. Without a resolver, files cannot be extended.
   */
  readonly resolve?: (reference: string, from: string) => ResolvedPolicy | undefined;
}

export interface ParseOptions extends PolicyContext {
  /** The file's name, for messages. */
  readonly source: string;
  /** `json` refuses what is YAML alone. Default: `yaml`, of which JSON is a part. */
  readonly format?: 'yaml' | 'json';
}

/**
 * Parses, checks, extends and normalises a policy.
 *
 * @throws CaissonError `POLICY_TOO_LARGE`; `POLICY_INVALID`, with all problems in
 * `details.problems` as `{path, source, line, column, message, suggestion}`; `POLICY_NOT_FOUND`
 * for a file that `extends` names; `REQUEST_INVALID` for the options
 * @example parsePolicy('level: strict\nfilesystem: {read: [src]}', {source: 'p.yaml'})
 */
export function parsePolicy(text: string | Uint8Array, options: ParseOptions): Policy {
  checkOptions(options, 'parsePolicy', PARSE, 'policy');
  const layers = new Collector(options).fromText(text, options.source, options.format ?? 'yaml');
  return normalize(layers, options);
}

export function safeParsePolicy(
  text: string | Uint8Array,
  options: ParseOptions,
): Promise<Result<Policy>> {
  return toResult(() => parsePolicy(text, options));
}

/**
 * The same for a document that is no text: from the builder, or a program's own object.
 *
 * @throws as {@link parsePolicy}; problems have no line
 */
export function policyFromDocument(document: unknown, context: PolicyContext = {}): Policy {
  checkOptions(context, 'policyFromDocument', POLICY_CONTEXT, 'policy');
  const layers = new Collector(context).fromValue(document, '', {
    value: document,
    locate: () => undefined,
    problems: [],
  });
  return normalize(layers, context);
}

/** Walks `extends`, bases first. */
class Collector {
  readonly #context: PolicyContext;
  /** The sources that are being read, outermost first. */
  readonly #open: string[] = [];
  #count = 0;

  constructor(context: PolicyContext) {
    this.#context = context;
  }

  fromText(text: string | Uint8Array, source: string, format: 'yaml' | 'json'): DocumentLayer[] {
    const decoded = decode(text, source);
    const read = readYaml(decoded, source);
    const json = format === 'json' ? jsonProblem(decoded, source) : undefined;
    const problems = json && read.problems.length === 0 ? [json] : read.problems;
    if (problems.length > 0) {
      // What could be read is checked all the same, so that everything is told at once.
      const checked = validateDocument(read.value ?? {}, source, read.locate);
      throw policyInvalid(checked.ok ? problems : [...problems, ...checked.problems]);
    }
    this.#open.push(source);
    const layers = this.fromValue(read.value ?? {}, source, read);
    this.#open.pop();
    return layers;
  }

  fromValue(value: unknown, source: string, read: YamlSource): DocumentLayer[] {
    const named = source === '' ? undefined : source;
    const checked = validateDocument(value, named, read.locate);
    if (!checked.ok) throw policyInvalid(checked.problems);
    const { document } = checked;
    const layer: DocumentLayer = {
      document,
      locate: read.locate,
      ...(named === undefined ? {} : { source: named }),
    };
    this.#count++;
    return [...this.#bases(document, source, layer), layer];
  }

  #bases(document: PolicyDocument, source: string, layer: DocumentLayer): DocumentLayer[] {
    const references = document.extends ?? [];
    return [references].flat().flatMap((reference, i) => {
      const path = typeof references === 'string' ? ['extends'] : ['extends', i];
      const fail = (message: string, suggestion?: string): CaissonError =>
        policyInvalid([
          {
            path: 'extends',
            ...(layer.source === undefined ? {} : { source: layer.source }),
            ...layer.locate?.(path, 'value'),
            message,
            ...(suggestion === undefined ? {} : { suggestion }),
          },
        ]);
      return this.#base(reference, source, fail);
    });
  }

  #base(
    reference: string,
    from: string,
    fail: (message: string, suggestion?: string) => CaissonError,
  ): DocumentLayer[] {
    if (isProfileName(reference)) {
      const { document } = profiles[reference];
      return [{ document, source: `profile ${reference}` }];
    }
    if (reference.includes('\0')) throw fail('the name holds a NUL byte');
    if (!/[/.]/.test(reference)) {
      const near = suggest(reference, Object.keys(profiles));
      throw fail(
        `there is no profile ${JSON.stringify(reference)}`,
        near
          ? `did you mean ${near}?`
          : `profiles are ${Object.keys(profiles).join(', ')}; files are written ./name.yaml`,
      );
    }
    if (!this.#context.resolve) throw fail('files cannot be extended here');
    const found = this.#context.resolve(reference, from);
    if (!found) {
      throw new CaissonError('POLICY_NOT_FOUND', {
        layer: 'policy',
        message: `${fail(`${reference} cannot be read`).message}`,
      });
    }
    if (this.#open.includes(found.source)) {
      throw fail(`the policies extend each other: ${[...this.#open, found.source].join(' → ')}`);
    }
    if (this.#open.length >= DEEPEST_EXTENDS || this.#count >= MOST_LAYERS) {
      throw fail(
        `more policies are extended than allowed (${MOST_LAYERS}, ${DEEPEST_EXTENDS} deep)`,
      );
    }
    return this.fromText(found.text, found.source, 'yaml');
  }
}

function decode(text: string | Uint8Array, source: string): string {
  const size = typeof text === 'string' ? text.length : text.byteLength;
  if (size > MAX_POLICY_BYTES) throw tooLarge(source, size);
  if (typeof text === 'string') {
    // The length above is in UTF-16 units; short texts may still be long in UTF-8.
    const bytes = new TextEncoder().encode(text).byteLength;
    if (bytes > MAX_POLICY_BYTES) throw tooLarge(source, bytes);
    return text;
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(text);
  } catch {
    throw policyInvalid([{ path: '', source, message: 'the text is not UTF-8' }]);
  }
}

function tooLarge(source: string, size: number): CaissonError {
  return new CaissonError('POLICY_TOO_LARGE', {
    layer: 'policy',
    message: `${source} is larger than a policy may be (${MAX_POLICY_BYTES} bytes)`,
    hint: 'split it with `extends`, or name directories instead of files',
    details: { size, limit: MAX_POLICY_BYTES },
  });
}

function jsonProblem(text: string, source: string): Problem | undefined {
  try {
    JSON.parse(text);
    return undefined;
  } catch (error) {
    return {
      path: '',
      source,
      message: `not JSON: ${error instanceof Error ? error.message : error}`,
    };
  }
}
