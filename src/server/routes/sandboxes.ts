/** Sandboxes: made, listed, looked at, ended. */
import type { FastifyInstance } from 'fastify';
import {
  createSandbox,
  inspectSandbox,
  killSandbox,
  listSandboxes,
  type WireSandbox,
} from '../../api/sandboxes.ts';
import type { ManagedInfo } from '../../sandbox/manager/managed-info.ts';
import type { ManagedSandbox } from '../../sandbox/manager/managed-sandbox.ts';
import type { ManagedOptions } from '../../sandbox/manager/manager-options.ts';
import { implement } from '../http/implement.ts';
import { page } from '../http/page.ts';
import { ifUndelivered } from '../http/undelivered.ts';
import { releasing } from '../served-sandboxes.ts';
import type { Service } from '../service.ts';

export function serveSandboxes(app: FastifyInstance, service: Service): void {
  const { sandboxes, places, security, config } = service;

  implement(app, createSandbox, async (asked) => {
    const { body, caller, signal } = asked;
    const policy = await places.policy(caller, body);
    const lease = security.quotas.reserve(caller.tenant, { kept: 1 });
    const workspace = await places.workspace(caller, body).catch((error: unknown) => {
      lease.release();
      throw error;
    });
    const sandbox = await sandboxes.create(
      {
        ...places.place(caller, body, policy, workspace),
        ...managedOf(body),
        ...(body.name === undefined ? {} : { name: body.name }),
        idleTimeoutMs: body.idleTimeoutMs ?? config.manager.idleTimeoutMs,
        signal,
      },
      { policy, workspace },
      releasing(workspace, () => lease.release()),
    );
    ifUndelivered(asked, () => sandboxes.abandon(sandbox.id));
    return keptToWire(sandboxes.inspect(caller.tenant, sandbox.id), sandbox);
  });

  implement(app, listSandboxes, ({ query, caller }) => {
    const { state, label, limit, after } = query;
    const at = label?.indexOf('=') ?? 0;
    const found = sandboxes.list(caller.tenant).filter(({ state: its, labels }) => {
      if (state !== undefined && its !== state) return false;
      return label === undefined || labels[label.slice(0, at)] === label.slice(at + 1);
    });
    return page(found, ({ id }) => id, { limit, after }, infoToWire);
  });

  implement(app, inspectSandbox, async ({ params, caller }) => {
    const info = sandboxes.inspect(caller.tenant, params.id);
    const usage = await info.usage();
    const kept = keptToWire(info, sandboxes.find(params.id));
    return { ...kept, ...(usage === undefined ? {} : { usage }) };
  });

  implement(app, killSandbox, async ({ params, caller }) =>
    infoToWire(await sandboxes.kill(caller.tenant, params.id, caller.subject)),
  );
}

/** How a request wants to be looked after. */
export function managedOf(body: {
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly priority?: number | undefined;
  readonly queueTimeoutMs?: number | undefined;
  readonly ttlMs?: number | undefined;
}): Pick<ManagedOptions, 'labels' | 'priority' | 'queueTimeoutMs' | 'ttlMs'> {
  const { labels, priority, queueTimeoutMs, ttlMs } = body;
  return {
    ...(labels === undefined ? {} : { labels }),
    ...(priority === undefined ? {} : { priority }),
    ...(queueTimeoutMs === undefined ? {} : { queueTimeoutMs }),
    ...(ttlMs === undefined ? {} : { ttlMs }),
  };
}

/** With what is known of it alone while it is there. */
export function keptToWire(info: ManagedInfo, sandbox: ManagedSandbox | undefined): WireSandbox {
  const { cwd, network } = sandbox ?? {};
  return {
    ...infoToWire(info),
    ...(cwd === undefined ? {} : { cwd }),
    ...(network === undefined ? {} : { network: { ...network } }),
  };
}

export function infoToWire({ usage: _, labels, ...info }: ManagedInfo): WireSandbox {
  return { ...info, labels: { ...labels } };
}
