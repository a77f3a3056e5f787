/**
 * The one error that Caisson throws, and the one table of its codes.
 * Imports nothing: every program that uses Caisson loads this file first.
 */

interface CodeRow {
  /** What the code means, in a sentence. */
  readonly message: string;
  /** HTTP status a service answers with. */
  readonly status: number;
  /** Exit code of the CLI. Guests' own codes pass through; see docs/exit-codes.md. */
  readonly exit: number;
}

/** Every code: message, HTTP status, CLI exit code. The documentation anchor is the code itself. */
export const errorCodes = {
  POLICY_INVALID: { message: 'the policy is not valid', status: 400, exit: 64 },
  POLICY_NOT_FOUND: { message: 'the policy file cannot be read', status: 404, exit: 66 },
  POLICY_TOO_LARGE: { message: 'the policy is larger than a policy may be', status: 413, exit: 64 },
  REQUEST_INVALID: { message: 'the request is not valid', status: 400, exit: 64 },
  PATH_MISSING: { message: 'a path that the policy names does not exist', status: 400, exit: 66 },
  PATH_ESCAPES: { message: 'a path leads outside of what it may name', status: 400, exit: 64 },
  UNENFORCEABLE: {
    message: 'this host cannot enforce all of the policy',
    status: 412,
    exit: 77,
  },
  UNISOLATED: {
    message: 'running without isolation must be allowed by name',
    status: 412,
    exit: 77,
  },
  WALL_UNAVAILABLE: { message: 'no wall that the policy allows is ready', status: 503, exit: 69 },
  PLATFORM_UNSUPPORTED: { message: 'running needs Linux', status: 501, exit: 69 },
  LAUNCHER_MISSING: { message: 'the launcher is not installed', status: 500, exit: 69 },
  LAUNCHER_UNTRUSTED: {
    message: 'the launcher is not the one that was released',
    status: 500,
    exit: 70,
  },
  LAUNCHER_FAILED: { message: 'the launcher could not carry out a step', status: 500, exit: 71 },
  LAUNCHER_GONE: { message: 'the launcher ended', status: 500, exit: 71 },
  NETWORK_FAILED: {
    message: 'the network of a sandbox could not be set up',
    status: 500,
    exit: 71,
  },
  NETWORK_GONE: { message: 'a process of the network ended', status: 500, exit: 71 },
  PROTOCOL_ERROR: { message: 'a frame or plan could not be understood', status: 500, exit: 76 },
  PLAN_INVALID: { message: 'the plan is not valid for this launcher', status: 400, exit: 65 },
  COMMAND_NOT_FOUND: {
    message: 'the command is not there inside the sandbox',
    status: 400,
    exit: 127,
  },
  COMMAND_NOT_EXECUTABLE: { message: 'the command cannot be executed', status: 400, exit: 126 },
  WORKSPACE_UNSUPPORTED: {
    message: 'the workspace cannot be given to the guest on this file system',
    status: 412,
    exit: 77,
  },
  RESOURCE_EXHAUSTED: {
    message: 'the host has no room for another sandbox',
    status: 503,
    exit: 75,
  },
  QUEUE_FULL: { message: 'no more sandboxes can wait for room', status: 429, exit: 75 },
  STORE_UNUSABLE: {
    message: 'a database of Caisson cannot be used',
    status: 500,
    exit: 74,
  },
  SANDBOX_CLOSED: { message: 'the sandbox is closed', status: 409, exit: 70 },
  FILE_FAILED: { message: 'a file operation inside the sandbox failed', status: 400, exit: 74 },
  CHANGES_CONFLICT: { message: 'the changes cannot be applied as they are', status: 409, exit: 73 },
  AUDIT_UNAVAILABLE: { message: 'the audit log cannot be written', status: 503, exit: 69 },
  AUDIT_ALTERED: { message: 'the audit log is not as it was written', status: 409, exit: 65 },
  WASM_MALFORMED: { message: 'the WebAssembly module is malformed', status: 400, exit: 65 },
  WASM_TOO_LARGE: {
    message: 'the WebAssembly module is larger than it may be',
    status: 413,
    exit: 65,
  },
  WASM_REFUSED: {
    message: 'the WebAssembly module asks for what it does not get',
    status: 422,
    exit: 65,
  },
  WASM_IMPORTS_UNKNOWN: {
    message: 'the WebAssembly module imports what nobody provides',
    status: 422,
    exit: 65,
  },
  MODULE_EXISTS: {
    message: 'that version of the module is registered with other content',
    status: 409,
    exit: 73,
  },
  MODULE_NOT_FOUND: { message: 'no such module is registered', status: 404, exit: 66 },
  MODULE_DISABLED: { message: 'the module is disabled', status: 409, exit: 77 },
  MODULE_TOO_LARGE: {
    message: 'the code of the module is larger than it may be',
    status: 413,
    exit: 65,
  },
  MODULE_CODE_INVALID: { message: 'the code of the module cannot be used', status: 422, exit: 65 },
  MODULE_SIGNATURE_WRONG: {
    message: 'the signature is not that of the code by the key',
    status: 422,
    exit: 65,
  },
  ADMISSION_REFUSED: { message: 'the code was not admitted', status: 403, exit: 77 },
  MODULE_REFUSED: { message: 'the module was not admitted', status: 403, exit: 77 },
  KEY_INVALID: { message: 'the key cannot be used', status: 400, exit: 65 },
  SIGNATURE_INVALID: {
    message: 'the signature is none, or is not of this code',
    status: 422,
    exit: 65,
  },
  SIGNER_UNTRUSTED: {
    message: 'nobody who is trusted for it has signed it',
    status: 403,
    exit: 77,
  },
  TRUST_INVALID: {
    message: 'the registry of trusted signers cannot be used',
    status: 500,
    exit: 78,
  },
  UNAUTHENTICATED: { message: 'who asks is not known', status: 401, exit: 77 },
  AUTHENTICATION_UNAVAILABLE: {
    message: 'who asks cannot be found out at present',
    status: 503,
    exit: 69,
  },
  FORBIDDEN: { message: 'who asks may not do that', status: 403, exit: 77 },
  POLICY_BEYOND_CEILING: {
    message: 'the policy allows more than its tenant may',
    status: 403,
    exit: 77,
  },
  NOT_FOUND: { message: 'there is no such thing', status: 404, exit: 66 },
  METHOD_NOT_ALLOWED: { message: 'that cannot be done to it', status: 405, exit: 64 },
  CONFLICT: { message: 'something else is there already', status: 409, exit: 73 },
  PRECONDITION_FAILED: { message: 'it is not what it was', status: 412, exit: 73 },
  TOO_LARGE: { message: 'it is larger than it may be', status: 413, exit: 65 },
  REQUEST_TIMEOUT: { message: 'the request did not arrive in time', status: 408, exit: 75 },
  HEADERS_TOO_LARGE: { message: 'the headers are larger than they may be', status: 431, exit: 65 },
  MEDIA_TYPE_UNSUPPORTED: {
    message: 'that type of content is not understood',
    status: 415,
    exit: 65,
  },
  IDEMPOTENCY_MISMATCH: {
    message: 'the idempotency key came with another request before',
    status: 422,
    exit: 65,
  },
  RATE_LIMITED: { message: 'too many requests', status: 429, exit: 75 },
  QUOTA_EXCEEDED: { message: 'the tenant has used up what it may', status: 429, exit: 75 },
  DRAINING: { message: 'the service is about to stop', status: 503, exit: 75 },
  REMOTE_FAILED: { message: 'the service did not answer as it should', status: 502, exit: 69 },
  CONFIG_INVALID: { message: 'the configuration is not valid', status: 500, exit: 78 },
  GUEST_FAILED: { message: 'the guest threw, or ended with an error', status: 422, exit: 1 },
  GUEST_LIMIT: { message: 'the guest ran into a limit and was ended', status: 422, exit: 124 },
  ABORTED: { message: 'it was ended before it was done', status: 499, exit: 130 },
  INTERNAL: { message: 'a fault in Caisson itself', status: 500, exit: 70 },
} as const satisfies Record<string, CodeRow>;

export type ErrorCode = keyof typeof errorCodes;

/** The layer of the source tree where the error arose. */
export type ErrorLayer =
  | 'core'
  | 'wasm'
  | 'policy'
  | 'plan'
  | 'store'
  | 'launcher'
  | 'host'
  | 'observe'
  | 'admission'
  | 'network'
  | 'backends'
  | 'sandbox'
  | 'functions'
  | 'modules'
  | 'api'
  | 'client'
  | 'server'
  | 'mcp'
  | 'cli';

const brand = Symbol.for('caisson.error');

export interface CaissonErrorOptions {
  readonly layer: ErrorLayer;
  /** What happened here, in a sentence; defaults to the code's own message. */
  readonly message?: string;
  /** What to type or change next. */
  readonly hint?: string;
  readonly details?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
}

/** Thrown for whatever goes wrong on our side. Recognise it with {@link isCaissonError}, never `instanceof`. */
export class CaissonError extends Error {
  override readonly name = 'CaissonError';
  readonly code: ErrorCode;
  readonly layer: ErrorLayer;
  readonly hint: string | undefined;
  readonly details: Readonly<Record<string, unknown>>;
  readonly [brand] = true;

  constructor(code: ErrorCode, options: CaissonErrorOptions) {
    super(options.message ?? errorCodes[code].message, { cause: options.cause });
    this.code = code;
    this.layer = options.layer;
    this.hint = options.hint;
    this.details = options.details ?? {};
  }

  /** The shape that `--json` and a service print. */
  toJSON(): Record<string, unknown> {
    return {
      code: this.code,
      layer: this.layer,
      message: this.message,
      ...(this.hint === undefined ? {} : { hint: this.hint }),
      ...(Object.keys(this.details).length === 0 ? {} : { details: this.details }),
      ...(this.cause instanceof Error ? { cause: this.cause.message } : {}),
    };
  }
}

/** Whether a value is a CaissonError, also one from another realm or another copy of the library. */
export function isCaissonError(value: unknown): value is CaissonError {
  return typeof value === 'object' && value !== null && brand in value;
}

/** zod's convention for the Result that every throwing entry point has a `safe…` twin for. */
export type Result<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: CaissonError };

/** Derives the `safe…` twin of an async function. A foreign error (a bug) still throws. */
export async function toResult<T>(run: () => T | Promise<T>): Promise<Result<T>> {
  try {
    return { ok: true, value: await run() };
  } catch (error) {
    if (isCaissonError(error)) return { ok: false, error };
    throw error;
  }
}
