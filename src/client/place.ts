/** From what the library takes to what a service takes. What cannot go over the wire is refused, never left out. */
import { isUtf8 } from 'node:buffer';
import type { BodyInputOf } from '../api/route.ts';
import type { createSandbox, runCommand } from '../api/sandboxes.ts';
import type { TraceContext } from '../core/telemetry.ts';
import { checkOptions, type KnownOptions } from '../policy/known-options.ts';
import { documentOf } from '../policy/to-document.ts';
import type { ExecOptions } from '../sandbox/exec-options.ts';
import type { ManagedCreateOptions, ManagedOptions } from '../sandbox/manager/manager-options.ts';
import type { CodeClaims } from '../sandbox/place-options.ts';
import type { PolicyInput } from '../sandbox/policy-book.ts';
import { isResolved, policyIn, requirePolicyObject } from '../sandbox/resolved-policy.ts';
import type { NetworkOptions } from '../sandbox/run-network.ts';
import { localOnly } from './local-only.ts';
import { base64 } from './source.ts';

type Body = BodyInputOf<typeof runCommand>;
export type WirePlace = Pick<Body, 'policy' | 'workspace' | 'accept' | 'secrets' | 'claims'>;
export type WireManaged = Pick<
  BodyInputOf<typeof createSandbox>,
  'labels' | 'priority' | 'queueTimeoutMs' | 'ttlMs' | 'idleTimeoutMs'
>;
export type WireCommand = Pick<Body, 'cwd' | 'env' | 'timeoutMs' | 'input' | 'inputBase64'>;

/** Policies that the tenant has stored go by `NAME` and `NAME@VERSION`. */
export type RemotePolicyInput = PolicyInput | (string & {});

/** As the library's, with policies that the tenant has stored; `workspace` is `private`, or one that the operator offers. */
export type Remotely<O extends { readonly policy?: PolicyInput }> = Omit<O, 'policy'> & {
  readonly policy?: RemotePolicyInput;
};

/** A request that is done once, however often it is sent. */
export interface Once {
  /**
   * Whoever sends it again, with the same key, gets the same answer: safe to repeat after a connection broke, which the
   * client then does by itself. What was asked for goes on when its client goes away, an abort included.
   */
  readonly idempotencyKey?: string;
}

/** What the options of the library have, and a service does not. */
const LOCAL = {
  allowUnisolated: 'a service runs nothing without isolation',
  tenant: 'the tenant is that of the key',
  ask: 'a service asks nobody; name the destinations in the policy, or change them with updateNetwork',
  publish: 'publish from the sandbox that create() makes',
  onPublished: 'publish from the sandbox that create() makes',
  grants: 'functions of this process cannot be called from a service',
  background: 'a connection is what the process hangs on',
  pending:
    'what a run of a service changes goes with it, but for what its policy applies; create() keeps it',
  placement: 'where a program is evaluated is the service’s own affair',
} as const;

/** @throws REQUEST_INVALID for a secret that is no text */
export function placeToWire(options: Remotely<ManagedOptions & NetworkOptions>): WirePlace {
  const { policy, workspace, accept, claims, secrets } = options;
  return {
    ...(policy === undefined ? {} : { policy: policyToWire(policy) }),
    ...(workspace === undefined ? {} : { workspace }),
    ...(accept === undefined || accept.length === 0 ? {} : { accept: [...accept] }),
    ...(secrets === undefined ? {} : { secrets: secretsToWire(secrets) }),
    ...(claims === undefined ? {} : { claims: claimsToWire(claims) }),
  };
}

export function managedToWire(options: Pick<ManagedCreateOptions, keyof WireManaged>): WireManaged {
  const { labels, priority, queueTimeoutMs, ttlMs, idleTimeoutMs } = options;
  return {
    ...(labels === undefined ? {} : { labels }),
    ...(priority === undefined ? {} : { priority }),
    ...(queueTimeoutMs === undefined ? {} : { queueTimeoutMs }),
    ...(ttlMs === undefined ? {} : { ttlMs }),
    ...(idleTimeoutMs === undefined ? {} : { idleTimeoutMs }),
  };
}

export function policyToWire(policy: RemotePolicyInput): string | Record<string, unknown> {
  if (typeof policy === 'string') return policy;
  requirePolicyObject(policy, 'client');
  if (isResolved(policy)) return policyToWire(policyIn(policy));
  const document = 'view' in policy && 'walls' in policy ? documentOf(policy as never) : policy;
  return document as Record<string, unknown>;
}

export function commandToWire(options: ExecOptions): WireCommand {
  const { cwd, env, timeoutMs, input } = options;
  return {
    ...(cwd === undefined ? {} : { cwd }),
    ...(env === undefined ? {} : { env }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(input === undefined
      ? {}
      : typeof input === 'string'
        ? { input }
        : { inputBase64: base64(input) }),
  };
}

/** What goes beside a request: what makes it be done once, and where its spans belong. */
export function onceOf({ idempotencyKey, trace }: Once & { readonly trace?: TraceContext }): {
  readonly idempotencyKey?: string;
  readonly headers?: Readonly<Record<string, string>>;
} {
  return {
    ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
    ...traceOf({ trace }),
  };
}

/** W3C Trace Context. */
export function traceOf({ trace }: { readonly trace?: TraceContext | undefined }): {
  readonly headers?: Readonly<Record<string, string>>;
} {
  // As of a Caisson here: what is no valid context counts as none.
  if (trace === undefined || !isSendable(trace)) return {};
  const { traceparent, tracestate } = trace;
  return { headers: { traceparent, ...(tracestate === undefined ? {} : { tracestate }) } };
}

/**
 * What the library has and a service does not is told as such, before what nobody knows.
 *
 * @param what as a message calls what takes them
 * @throws REQUEST_INVALID that names the option
 */
export function checkRemote(options: object, what: string, known: KnownOptions): void {
  if (typeof options === 'object' && options !== null) refuseLocal(options);
  checkOptions(options, what, known, 'client');
}

function isSendable({ traceparent, tracestate = '' }: TraceContext): boolean {
  return /^[\x21-\x7e]+$/.test(traceparent) && /^[\x20-\x7e]*$/.test(tracestate);
}

/** @throws REQUEST_INVALID that names the option */
function refuseLocal(options: object): void {
  for (const [name, reason] of Object.entries(LOCAL)) {
    const value = (options as Readonly<Record<string, unknown>>)[name];
    if (value !== undefined && value !== false) throw localOnly(name, reason);
  }
}

/** @throws REQUEST_INVALID for bytes that are no text */
function secretsToWire(secrets: NonNullable<NetworkOptions['secrets']>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(secrets).map(([name, value]) => {
      if (typeof value === 'string') return [name, value];
      const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
      if (isUtf8(bytes)) return [name, bytes.toString('utf8')];
      throw localOnly(`the secret ${name}`, 'only what is UTF-8 can be sent');
    }),
  );
}

function claimsToWire(claims: CodeClaims): NonNullable<WirePlace['claims']> {
  const { name, declares, signatures, certificate, limits } = claims;
  return {
    ...(name === undefined ? {} : { name }),
    ...(declares === undefined ? {} : { declares: [...declares] }),
    ...(signatures === undefined ? {} : { signatures: [...signatures] }),
    ...(certificate === undefined ? {} : { certificate: base64(certificate) }),
    ...(limits === undefined ? {} : { limits }),
  };
}
