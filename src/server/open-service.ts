/** From the configuration to everything that the service stands on. */
import { join } from 'node:path';
import { Caisson } from '../compose.ts';
import { newId } from '../core/ids.ts';
import type { Observer } from '../core/ports.ts';
import { AuditLog } from '../observe/audit/audit-log.ts';
import type { AuditOptions } from '../observe/audit/audit-options.ts';
import type { HostFacts } from '../plan/facts.ts';
import { DirectoryLock } from '../store/directory-lock.ts';
import { SqliteServiceStore } from '../store/sqlite-service-store.ts';
import type { Config } from './config/config.ts';
import { readHeadersFile } from './config/headers-file.ts';
import { readPolicySetting } from './config/policy-setting.ts';
import { endAll } from './end-all.ts';
import { Idempotency } from './http/idempotency.ts';
import { openServiceState } from './open-state.ts';
import { openServiceTelemetry } from './open-telemetry.ts';
import { OutputRoom } from './output-room.ts';
import { Places } from './places.ts';
import { openSecurity } from './security/security.ts';
import { ServedSandboxes } from './served-sandboxes.ts';
import type { Service } from './service.ts';
import { TenantModules } from './tenant-modules.ts';
import { ThreatCounts } from './threat-counts.ts';
import { usageFigures } from './usage-figures.ts';
import { ViolationLog } from './violation-log.ts';
import { Workspaces } from './workspaces.ts';

/** Answers that are kept for less go when their time is over. */
const PRUNE_EVERY_MS = 60_000;
const LOCK_FILE = 'service.lock';

export interface OpenServiceOptions {
  /** Told of what went wrong where nobody waits for it. */
  readonly onFault: (error: unknown) => void;
  /** Told of everything that happens, beside the audit log. */
  readonly observer?: Observer;
  readonly facts?: HostFacts;
}

export interface OpenService extends Service, AsyncDisposable {
  readonly idempotency: Idempotency;
  /** From now on nothing new is taken. */
  drain(): void;
  close(): Promise<void>;
}

/**
 * Opens everything, and cleans up first what a service left that died.
 *
 * @throws CONFLICT: another service works on the state directory; CONFIG_INVALID, STORE_UNUSABLE, AUDIT_UNAVAILABLE, POLICY_INVALID, LAUNCHER_*
 */
export async function openService(
  config: Config,
  { onFault, observer, facts }: OpenServiceOptions,
): Promise<OpenService> {
  await using opened = new AsyncDisposableStack();
  const state = openServiceState(config);
  // What another one works on would be cleaned up under its feet.
  opened.use(DirectoryLock.take(state, LOCK_FILE));
  const store = opened.use(SqliteServiceStore.open(SqliteServiceStore.fileIn(state)));
  const security = opened.adopt(await openSecurity({ config, store }), (each) => each.close());
  const auditing = config.audit.enabled ? await auditOptions(config, state) : undefined;
  const audit = auditing === undefined ? undefined : opened.use(await AuditLog.open(auditing));
  const telemetry = opened.use(await openServiceTelemetry(config));
  if (audit !== undefined && auditing !== undefined) {
    telemetry.shipAudit({ directory: auditing.directory, id: audit.id });
    opened.use(telemetry.watch({ audit: () => audit.status }));
    // What was recorded last is sent, too; what cannot be written is told when the log is closed.
    opened.defer(() => audit.flush().catch(() => {}));
  }
  const threats = opened.adopt(new ThreatCounts(state, onFault), (each) => each.close());
  const workspaces = await Workspaces.open(state, config.workspaces);
  const violations = new ViolationLog();
  const caisson = opened.use(
    await Caisson.open({
      // Nothing of the service’s own environment may reach a guest.
      environment: {},
      stateDirectory: state,
      ...(audit === undefined ? {} : { audit }),
      telemetry,
      observer: (event) => {
        threats.observer(event);
        violations.observer(event);
        observer?.(event);
      },
      ...(facts === undefined ? {} : { facts }),
      ...(config.trust.file === undefined ? {} : { admission: { trust: config.trust.file } }),
    }),
  );
  const { pool, queue, agingMs, warmSlots } = config.manager;
  let sandboxes: ServedSandboxes | undefined;
  const manager = opened.use(
    await caisson.manager({
      pool,
      queue,
      agingMs,
      warmSlots,
      keepEnded: config.retention.endedSandboxes,
      lastly: async () => await sandboxes?.settled(),
      perTenant: (tenant) => security.quotas.poolOf(tenant),
      weight: (tenant) => security.tenants.settings(tenant).weight ?? 1,
    }),
  );
  const monitor = opened.use(await caisson.monitor());
  opened.use(telemetry.watch({ pool: () => manager.load(), usage: usageFigures(monitor) }));
  const idempotency = new Idempotency(
    store.idempotency,
    newId('run'),
    config.retention.idempotencyMs,
  );
  await idempotency.adopt();
  const prune = setInterval(
    () => idempotency.prune().catch(onFault),
    Math.min(PRUNE_EVERY_MS, Math.max(1000, config.retention.idempotencyMs)),
  );
  prune.unref();
  opened.defer(() => clearInterval(prune));
  const modules = new TenantModules(caisson, config, state, security);
  const places = new Places({
    fallback: await readPolicySetting(config.policy),
    store,
    security,
    workspaces,
    recycleNetwork: config.manager.recycleNetwork,
  });
  sandboxes = new ServedSandboxes(manager, onFault);
  const all = opened.move();
  let isDraining = false;
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closing ??= endAll(
      () => manager.close(),
      () => all.disposeAsync(),
    );
    return closing;
  };
  return {
    config,
    state,
    caisson,
    manager,
    sandboxes,
    output: new OutputRoom((tenant) => security.tenants.settings(tenant)),
    violations,
    places,
    modulesOf: (tenant) => modules.of(tenant),
    audit,
    telemetry,
    threats,
    store,
    security,
    idempotency,
    get isDraining() {
      return isDraining;
    },
    drain: () => {
      isDraining = true;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

async function auditOptions({ audit }: Config, state: string): Promise<AuditOptions> {
  const { files, ageMs } = audit.retention;
  return {
    directory: audit.directory ?? join(state, 'audit'),
    fsync: audit.fsync,
    ...(audit.keyFile === undefined ? {} : { key: audit.keyFile }),
    ...(files === undefined && ageMs === undefined
      ? {}
      : {
          keep: {
            ...(files === undefined ? {} : { files }),
            ...(ageMs === undefined ? {} : { seconds: ageMs / 1000 }),
          },
        }),
    ship: await Promise.all(
      audit.anchors.map(async (anchor) =>
        'directory' in anchor
          ? anchor
          : {
              url: anchor.url,
              ...(anchor.headersFile === undefined
                ? {}
                : { headers: await readHeadersFile(anchor.headersFile) }),
            },
      ),
    ),
  };
}
