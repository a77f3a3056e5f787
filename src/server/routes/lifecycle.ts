/** What is done with a sandbox that is there. */
import type { FastifyInstance } from 'fastify';
import {
  discardSnapshot,
  forkSandbox,
  listSnapshots,
  openSnapshot,
  pauseSandbox,
  resumeSandbox,
  sandboxUsage,
  sandboxViolations,
  takeSnapshot,
  type WireSnapshot,
} from '../../api/lifecycle.ts';
import type { ManagedSandbox } from '../../sandbox/manager/managed-sandbox.ts';
import type { ManagedForkOptions } from '../../sandbox/manager/manager-options.ts';
import type { Caller } from '../http/gatekeeper.ts';
import { implement } from '../http/implement.ts';
import { page } from '../http/page.ts';
import { ifUndelivered } from '../http/undelivered.ts';
import { type About, releasing } from '../served-sandboxes.ts';
import type { KeptSnapshot } from '../served-snapshots.ts';
import type { Service } from '../service.ts';
import { requireWorkspace } from '../workspaces.ts';
import { infoToWire, keptToWire, managedOf } from './sandboxes.ts';

export function serveLifecycle(app: FastifyInstance, service: Service): void {
  const { manager, sandboxes, security, violations } = service;
  const { snapshots } = sandboxes;

  implement(app, pauseSandbox, async ({ params, caller }) => {
    sandboxes.inspect(caller.tenant, params.id);
    await manager.pause(params.id);
    return infoToWire(sandboxes.inspect(caller.tenant, params.id));
  });

  implement(app, resumeSandbox, async ({ params, caller }) => {
    sandboxes.inspect(caller.tenant, params.id);
    await manager.resume(params.id);
    return infoToWire(sandboxes.inspect(caller.tenant, params.id));
  });

  /** Like one that was there: its policy must be within what its tenant may now, it has places in quotas of its own. */
  const twin = async (
    { tenant }: Caller,
    about: About,
    make: () => Promise<ManagedSandbox>,
  ): Promise<ManagedSandbox> => {
    security.ceilings.of(tenant).admitPolicy(about.policy);
    requireWorkspace(about.workspace, tenant, security.tenants.settings(tenant));
    const lease = security.quotas.reserve(tenant, { kept: 1 });
    const workspace = about.workspace?.share();
    const { policy } = about;
    return await sandboxes.keep(
      make,
      { policy, workspace },
      releasing(workspace, () => lease.release()),
    );
  };

  implement(app, forkSandbox, async (asked) => {
    const { params, body = {}, caller, signal } = asked;
    const sandbox = sandboxes.get(caller.tenant, params.id);
    const options = { ...twinOf(body), signal };
    const made = await twin(caller, sandboxes.about(sandbox), () => sandbox.fork(options));
    ifUndelivered(asked, () => sandboxes.abandon(made.id));
    return keptToWire(sandboxes.inspect(caller.tenant, made.id), made);
  });

  implement(app, takeSnapshot, async (asked) => {
    const { params, caller } = asked;
    const { tenant } = caller;
    const sandbox = sandboxes.get(tenant, params.id);
    const { policyDigest } = sandboxes.inspect(tenant, params.id);
    const kept = await snapshots.keep(tenant, async () => {
      const lease = security.quotas.reserve(tenant, { kept: 1 });
      const about = sandboxes.about(sandbox);
      const workspace = about.workspace?.share();
      const ending = releasing(workspace, () => lease.release());
      try {
        return {
          tenant,
          snapshot: await sandbox.snapshot(),
          sandbox: params.id,
          policyDigest,
          createdMs: Date.now(),
          about: { policy: about.policy, workspace },
          ending,
        };
      } catch (error) {
        await ending();
        throw error;
      }
    });
    ifUndelivered(asked, () => sandboxes.forget(tenant, kept.snapshot.id));
    return snapshotToWire(kept);
  });

  implement(app, listSnapshots, ({ query, caller }) =>
    page(snapshots.list(caller.tenant), ({ snapshot }) => snapshot.id, query, snapshotToWire),
  );

  implement(app, openSnapshot, async (asked) => {
    const { params, body = {}, caller, signal } = asked;
    const { snapshot, about } = snapshots.get(caller.tenant, params.id);
    const options = { ...twinOf(body), signal };
    const made = await twin(caller, about, async () => {
      try {
        return await snapshot.open(options);
      } catch (error) {
        // Discarded meanwhile: then that is what is wrong.
        snapshots.get(caller.tenant, params.id);
        throw error;
      }
    });
    ifUndelivered(asked, () => sandboxes.abandon(made.id));
    return keptToWire(sandboxes.inspect(caller.tenant, made.id), made);
  });

  implement(app, discardSnapshot, async ({ params, caller }) => {
    await snapshots.discard(caller.tenant, params.id);
    return undefined;
  });

  implement(app, sandboxUsage, ({ params, caller }) =>
    sandboxes.get(caller.tenant, params.id).usage(),
  );

  implement(app, sandboxViolations, ({ params, caller }) => {
    const { sandbox } = sandboxes.inspect(caller.tenant, params.id);
    const { items, dropped } = violations.of(sandbox);
    return {
      items: items.map(({ atMs, run, violation }) => ({
        atMs,
        ...(run === undefined ? {} : { run }),
        ...violation,
      })),
      dropped,
      ...(sandboxes.isLost(params.id) ? { before: true as const } : {}),
    };
  });
}

function twinOf(
  body: Parameters<typeof managedOf>[0] & { readonly idleTimeoutMs?: number | undefined },
): Omit<ManagedForkOptions, 'signal'> {
  const { idleTimeoutMs } = body;
  return { ...managedOf(body), ...(idleTimeoutMs === undefined ? {} : { idleTimeoutMs }) };
}

function snapshotToWire({
  snapshot,
  sandbox,
  createdMs,
  policyDigest,
}: KeptSnapshot): WireSnapshot {
  return { id: snapshot.id, sandbox, createdMs, policyDigest };
}
