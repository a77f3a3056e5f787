/**
 * What an operator says about the service: the only source of the type, of the names of environment variables, and of
 * docs/config.schema.json.
 */
import { z } from 'zod';
import { PROXY_HEADERS } from '../http/client-address.ts';
import { ASYMMETRIC_ALGORITHMS } from '../security/token-algorithms.ts';
import {
  count,
  duration,
  flag,
  hostPath,
  numeric,
  proxyAddress,
  receiverUrl,
  shortName,
  size,
  url,
} from './config-values.ts';
import {
  ceilingSchema,
  policySchema,
  poolSchema,
  SERVICE_CEILING,
  tenantSchema,
} from './tenant-config.ts';

const anchor = z.union(
  [
    z.strictObject({ directory: hostPath().describe('Another disk, or a mount.') }),
    z.strictObject({
      url: url().describe('Gets a POST with a line of JSON for each checkpoint.'),
      headersFile: hostPath()
        .exactOptional()
        .describe('File of `Name: value` lines, which go with each request.'),
    }),
  ],
  { error: 'write {directory: …} or {url: …}' },
);

const oidc = z.strictObject({
  issuer: url().describe('`iss` of the tokens, and where their keys are asked for.'),
  audience: z
    .union([z.string().min(1), z.array(z.string().min(1)).min(1).max(16)], {
      error: 'write a text, or a list of them',
    })
    .describe('`aud` of tokens, or several: a token must have one.'),
  algorithms: z
    .array(z.enum(ASYMMETRIC_ALGORITHMS))
    .min(1)
    .exactOptional()
    .describe('Signatures that are taken. Default: all where only the issuer can sign.'),
  clockSkewMs: duration()
    .refine((value) => value <= 300_000, { error: 'write at most 5m' })
    .prefault('30s')
    .describe('So far may the issuer’s clock be off.'),
  scopesClaim: z
    .string()
    .min(1)
    .exactOptional()
    .describe(
      'Claim of scopes, a list or a text with spaces, such as `scope`: they narrow what the roles of the token allow; without roles they are what it may. Default: only roles count.',
    ),
  jwksUri: url()
    .exactOptional()
    .describe('Where the keys are. Default: what the issuer’s discovery document says.'),
  tenantClaim: z.string().min(1).default('tenant').describe('Claim that names the tenant.'),
  tenant: shortName()
    .exactOptional()
    .describe('Every token of this issuer is of this tenant, whatever it claims.'),
  rolesClaim: z
    .string()
    .min(1)
    .default('roles')
    .describe('Claim that lists roles; a dot leads into an object, as in `realm_access.roles`.'),
  roles: z
    .record(z.string(), z.enum(['viewer', 'developer', 'executor', 'admin', 'operator']))
    .default({})
    .describe(
      'What the values of that claim stand for. A value that is not here stands for nothing.',
    ),
});

const section = <T extends z.ZodRawShape>(shape: T) =>
  z.strictObject(shape).prefault({} as z.input<z.ZodObject<T>>);

export const configSchema = z
  .strictObject({
    listen: section({
      host: z
        .string()
        .min(1)
        .default('127.0.0.1')
        .describe('Address or name. Anything but loopback needs `tls`, or `insecure`.'),
      port: count(0, 65_535).default(8640).describe('TCP port; 0: one that is free.'),
      socketPath: hostPath()
        .exactOptional()
        .describe('A unix socket instead of host and port; its owner alone may use it.'),
      socketMode: z
        .string()
        .regex(/^0?[0-7]{3}$/, 'write three octal digits')
        .default('600')
        .describe('Mode of that socket.'),
      tls: z
        .strictObject({
          certFile: hostPath().describe('PEM: the certificate, then those that lead to its root.'),
          keyFile: hostPath().describe('PEM: its private key, readable by the service alone.'),
        })
        .exactOptional()
        .describe('Speak TLS.'),
      insecure: flag()
        .default(false)
        .describe(
          'Listen beyond loopback without TLS: a proxy in front of it, or a private network of containers.',
        ),
      trustedProxies: z
        .array(proxyAddress())
        .max(64)
        .default([])
        .describe(
          'Addresses and blocks of proxies in front of it, `unix` for one on its socket: where they say whom they ask for, that address counts for wrong credentials and the log. Default: nobody is believed.',
        ),
      proxyHeader: z
        .enum(PROXY_HEADERS)
        .default('x-forwarded-for')
        .describe('The header in which those proxies say it; the other one is not looked at.'),
    }).describe('Where it listens.'),
    stateDirectory: hostPath()
      .exactOptional()
      .describe(
        'What it keeps: databases, kept sandboxes, uploaded files; 0700. Default: `$XDG_STATE_HOME/caisson/service`.',
      ),
    auth: section({
      apiKeys: flag().default(true).describe('API keys, made by `caisson access keys`.'),
      oidc: z.array(oidc).max(16).default([]).describe('Whose tokens are taken.'),
      anonymous: flag()
        .default(false)
        .describe(
          'Who brings no credentials is the operator. On loopback and a unix socket alone; every program of the machine that reaches it may do everything.',
        ),
    }).describe('Who may ask.'),
    tenants: z
      .record(shortName(), tenantSchema)
      .default({})
      .describe('Tenants by name, each with what differs from `tenantDefaults`.'),
    tenantDefaults: tenantSchema
      .prefault({})
      .describe('What holds for every tenant, unless its own entry says otherwise.'),
    policy: policySchema
      .default('strict')
      .describe('Of requests that name none: a level, a profile, a path of a file, or a policy.'),
    ceiling: ceilingSchema
      .default(SERVICE_CEILING)
      .describe(
        'The most that a policy of any request may allow: `service` (built in: docs/deployment.md), a level, a profile, the absolute path of a policy file, or a policy.',
      ),
    accept: z
      .array(z.string().regex(/^[a-z][a-z0-9-]*(\.[a-z0-9-]+)*(:[a-z0-9-]+)?$/, 'write an id'))
      .max(64)
      .default([])
      .describe(
        'Ids of protections that requests may go on without where this host lacks them; `caisson doctor` names them.',
      ),
    workspaces: z
      .record(shortName(), hostPath())
      .default({})
      .describe('Directories of the host that requests may name, for tenants that list them.'),
    limits: section({
      bodyBytes: size().prefault('1MiB').describe('Body of a request, but for uploads.'),
      uploadBytes: size().prefault('1GiB').describe('Body of an upload.'),
      requestTimeoutMs: duration()
        .prefault('60s')
        .describe('A request must have arrived whole by then; uploads are not counted.'),
      headersTimeoutMs: duration().prefault('10s').describe('Its headers must be there by then.'),
      keepAliveMs: duration()
        .prefault('72s')
        .describe('A connection without a request is closed after that.'),
      heartbeatMs: duration()
        .prefault('15s')
        .describe('On long answers something is sent at least so often.'),
      maxConnections: count()
        .default(4096)
        .describe(
          'Connections at once, and at most half of the descriptors that the process may have (RLIMIT_NOFILE). Of one more, the one goes on which nothing was asked for longest.',
        ),
      maxRequests: count()
        .exactOptional()
        .describe(
          'Requests of one tenant that are being answered, streams and uploads among them. Default: a quarter of the connections.',
        ),
      maxStreams: count().default(256).describe('Open streams (WebSocket, SSE) of one tenant.'),
    }).describe('Of single requests and connections.'),
    manager: section({
      pool: poolSchema
        .prefault({})
        .describe(
          'Room for everything together. Default: 200 sandboxes and nine tenths of the memory.',
        ),
      queue: section({
        total: count().default(10_000).describe('Requests that may wait for room.'),
        perTenant: count()
          .exactOptional()
          .describe('Of one tenant. Default: a quarter of `total`.'),
      }).describe('Who waits.'),
      agingMs: duration().prefault('10s').describe('Waiting so long is worth a step of priority.'),
      warmSlots: count(0).default(0).describe('Sandboxes kept ready.'),
      recycleNetwork: flag()
        .default(false)
        .describe(
          'A run without network may get the emptied network namespace of an earlier one of the same tenant and policy.',
        ),
      idleTimeoutMs: duration()
        .prefault('1h')
        .describe('A kept sandbox that nobody used for so long is ended.'),
    }).describe('Sandboxes and the room for them.'),
    modules: section({
      codeBytes: size()
        .refine((value) => value <= 32 * 2 ** 20, { error: 'write at most 32MiB' })
        .prefault(100_000)
        .describe('Code of a module.'),
      timeoutMs: duration().prefault('30s').describe('The most that a module may ask for.'),
      memoryBytes: size().prefault('512MiB').describe('The most that a module may ask for.'),
    }).describe('Registered modules.'),
    audit: section({
      enabled: flag().default(true).describe('Whether a log is kept.'),
      directory: hostPath()
        .exactOptional()
        .describe('Where; 0700. Default: `audit` in the state directory.'),
      keyFile: hostPath()
        .exactOptional()
        .describe('PEM file of the key that signs checkpoints. Default: beside the directory.'),
      fsync: z
        .enum(['always', 'interval', 'never'])
        .default('always')
        .describe('When a record counts as written: docs/audit.md.'),
      retention: section({
        files: count().exactOptional().describe('So many files at most, the oldest go.'),
        ageMs: duration().exactOptional().describe('Files whose last record is older go.'),
      }).describe('How long. Default: everything is kept.'),
      anchors: z
        .array(anchor)
        .max(8)
        .default([])
        .describe('Second places for signed checkpoints, out of reach of this machine’s root.'),
    }).describe('The record of what happens.'),
    telemetry: section({
      serviceName: z.string().min(1).max(128).default('caisson').describe('`service.name`.'),
      otlp: z
        .strictObject({
          endpoint: receiverUrl().describe('Base URL; /v1/traces and so on are added.'),
          headersFile: hostPath()
            .exactOptional()
            .describe('File of `Name: value` lines, which go with each request.'),
          protocol: z
            .enum(['http/json', 'http/protobuf'])
            .exactOptional()
            .describe('Encoding. Default: as OTEL_EXPORTER_OTLP_PROTOCOL says, else `http/json`.'),
          traces: flag().default(true).describe('Send traces.'),
          metrics: flag().default(true).describe('Send metrics.'),
          logs: flag().default(true).describe('Send logs.'),
          sampleRatio: numeric()
            .pipe(z.number().min(0, 'write at least 0').max(1, 'write at most 1'))
            .prefault(1)
            .describe('Share of the traces.'),
        })
        .exactOptional()
        .describe('Where traces, metrics and logs go over OTLP/HTTP. Default: nowhere.'),
      metrics: z
        .enum(['open', 'scoped', 'off'])
        .default('scoped')
        .describe(
          '/metrics: `scoped`: for operators, and with the scope metrics:read; `open`: without credentials; `off`: not there.',
        ),
    }).describe('What is told to others.'),
    trust: section({
      file: hostPath()
        .exactOptional()
        .describe('Registry of trusted signers. Default: `trusted-signers.yaml` in the state.'),
    }).describe('Whose signatures count.'),
    signing: section({
      keyFile: hostPath()
        .exactOptional()
        .describe('Private key that the service signs code with. Default: it signs nothing.'),
      passphraseFile: hostPath().exactOptional().describe('Passphrase of that key.'),
    }).describe('What the service signs itself.'),
    retention: section({
      idempotencyMs: duration()
        .prefault('24h')
        .describe('Answers to requests with an idempotency key are kept so long.'),
      endedSandboxes: count(0).default(1000).describe('Ended sandboxes that are still known.'),
    }).describe('How long things are kept.'),
    drainTimeoutMs: duration()
      .prefault('30s')
      .describe('After SIGTERM, what runs is given so long; then it is ended.'),
  })
  .describe('Configuration of the service of Caisson');

/** With every default filled in. */
export type Config = z.output<typeof configSchema>;

/** As it is written. */
export type ConfigDocument = z.input<typeof configSchema>;
