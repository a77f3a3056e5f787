/** From what the library takes to what a service takes. What cannot go over the wire is refused, never left out. */
import type { BodyInputOf } from '../api/route.ts';
import type { runCommand } from '../api/sandboxes.ts';
import { CaissonError } from '../core/error.ts';
import { documentOf } from '../policy/to-document.ts';
import type { ExecOptions } from '../sandbox/exec-options.ts';
import type { ManagedOptions } from '../sandbox/manager/manager-options.ts';
import type { PolicyInput } from '../sandbox/policy-book.ts';

type Body = BodyInputOf<typeof runCommand>;
export type WirePlace = Pick<Body, 'policy' | 'workspace' | 'accept' | 'secrets' | 'claims'>;
export type WireManaged = Pick<Body, 'labels' | 'priority' | 'queueTimeoutMs' | 'ttlMs'>;
export type WireCommand = Pick<Body, 'cwd' | 'env' | 'timeoutMs' | 'input' | 'inputBase64'>;

/** What the options of the library have, and a service does not. */
const LOCAL = {
  allowUnisolated: 'a service runs nothing without isolation',
  tenant: 'the tenant is that of the key',
  ask: 'a service asks nobody; name the destinations in the policy, or change them with updateNetwork',
  publish: 'publish from the sandbox that create() makes',
  onPublished: 'publish from the sandbox that create() makes',
  grants: 'functions of this process cannot be called from a service',
  background: 'a connection is what the process hangs on',
  placement: 'where a program is evaluated is the service’s own affair',
} as const;

/** @throws REQUEST_INVALID */
export function placeToWire(options: ManagedOptions): WirePlace & WireManaged {
  refuseLocal(options);
  const { policy, workspace, accept, claims, labels, priority, queueTimeoutMs, ttlMs } = options;
  const { secrets } = options as { secrets?: Readonly<Record<string, string | Uint8Array>> };
  return {
    ...(policy === undefined ? {} : { policy: policyToWire(policy) }),
    ...(workspace === undefined ? {} : { workspace }),
    ...(accept === undefined || accept.length === 0 ? {} : { accept: [...accept] }),
    ...(secrets === undefined
      ? {}
      : {
          secrets: Object.fromEntries(
            Object.entries(secrets).map(([name, value]) => [
              name,
              typeof value === 'string' ? value : Buffer.from(value).toString('utf8'),
            ]),
          ),
        }),
    ...(claims === undefined
      ? {}
      : {
          claims: {
            ...(claims.name === undefined ? {} : { name: claims.name }),
            ...(claims.declares === undefined ? {} : { declares: [...claims.declares] }),
            ...(claims.signatures === undefined ? {} : { signatures: [...claims.signatures] }),
            ...(claims.certificate === undefined
              ? {}
              : { certificate: Buffer.from(claims.certificate).toString('base64') }),
          },
        }),
    ...(labels === undefined ? {} : { labels }),
    ...(priority === undefined ? {} : { priority }),
    ...(queueTimeoutMs === undefined ? {} : { queueTimeoutMs }),
    ...(ttlMs === undefined ? {} : { ttlMs }),
  };
}

export function policyToWire(policy: PolicyInput): string | Record<string, unknown> {
  if (typeof policy === 'string') return policy;
  const document = 'view' in policy && 'walls' in policy ? documentOf(policy as never) : policy;
  return document as Record<string, unknown>;
}

export function commandToWire(options: ExecOptions): WireCommand {
  refuseLocal(options);
  const { cwd, env, timeoutMs, input } = options;
  return {
    ...(cwd === undefined ? {} : { cwd }),
    ...(env === undefined ? {} : { env }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(input === undefined
      ? {}
      : typeof input === 'string'
        ? { input }
        : { inputBase64: Buffer.from(input).toString('base64') }),
  };
}

/** @throws REQUEST_INVALID that names the option */
export function refuseLocal(options: object): void {
  for (const [name, reason] of Object.entries(LOCAL)) {
    if ((options as Readonly<Record<string, unknown>>)[name] === undefined) continue;
    throw new CaissonError('REQUEST_INVALID', {
      layer: 'client',
      message: `${name} is an option of the library alone: ${reason}`,
      hint: 'leave it out, or open a Caisson here',
      details: { option: name },
    });
  }
}
