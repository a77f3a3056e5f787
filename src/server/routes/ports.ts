/** The network of a sandbox, and ways to its ports. */
import type { FastifyInstance } from 'fastify';
import {
  connectPort,
  inspectNetwork,
  listPorts,
  publishPort,
  unpublishPort,
  updateNetwork,
} from '../../api/ports.ts';
import { CaissonError } from '../../core/error.ts';
import type { ManagedSandbox } from '../../sandbox/manager/managed-sandbox.ts';
import type { PublishedPort } from '../../sandbox/ports.ts';
import { implement, implementSocket } from '../http/implement.ts';
import { servePort } from '../port-session.ts';
import type { Service } from '../service.ts';

/** Of one sandbox: each is a socket that listens. */
const MOST_PUBLISHED = 64;

interface Ports {
  readonly open: Set<PublishedPort>;
  /** Asked for, and not there yet: they have their places already. */
  opening: number;
}

export function servePorts(app: FastifyInstance, { sandboxes, security }: Service): void {
  const published = new WeakMap<ManagedSandbox, Ports>();
  const portsOf = (sandbox: ManagedSandbox): Ports => {
    const found = published.get(sandbox) ?? { open: new Set(), opening: 0 };
    published.set(sandbox, found);
    return found;
  };

  implement(app, inspectNetwork, ({ params, caller }) => {
    const sandbox = sandboxes.get(caller.tenant, params.id);
    return { ...(sandbox.network ?? sandboxes.about(sandbox).policy.network) };
  });

  implement(app, updateNetwork, async ({ params, body, caller }) => {
    const sandbox = sandboxes.get(caller.tenant, params.id);
    const { policy } = sandboxes.about(sandbox);
    const changed = security.ceilings.of(caller.tenant).admitNetwork(policy, body.network);
    await sandbox.updateNetwork(changed.network);
    return { ...(sandbox.network ?? changed.network) };
  });

  implement(app, publishPort, async ({ params, body, caller }) => {
    const sandbox = sandboxes.get(caller.tenant, params.id);
    const { guestPort, port } = body;
    if (port !== undefined && !caller.isOperator) throw notChosen();
    const ports = portsOf(sandbox);
    const used = ports.open.size + ports.opening;
    if (used >= MOST_PUBLISHED) throw tooMany(used);
    ports.opening += 1;
    try {
      const made = await sandbox.publish(guestPort, port === undefined ? {} : { port });
      ports.open.add(made);
      // Also one that nobody unpublished: the process that listened for it has ended.
      made.ended.then(() => ports.open.delete(made));
      return portToWire(made);
    } finally {
      ports.opening -= 1;
    }
  });

  implement(app, listPorts, ({ params, caller }) => ({
    items: [...portsOf(sandboxes.get(caller.tenant, params.id)).open]
      .map(portToWire)
      .sort((a, b) => a.guestPort - b.guestPort || a.port - b.port),
  }));

  implement(app, unpublishPort, async ({ params, caller }) => {
    const { open } = portsOf(sandboxes.get(caller.tenant, params.id));
    const found = [...open].filter(({ guestPort }) => guestPort === params.port);
    if (found.length === 0) throw notPublished(params.port);
    for (const each of found) {
      open.delete(each);
      await each.close();
    }
    return undefined;
  });

  implementSocket(
    app,
    connectPort,
    (asked, socket) => {
      const { caller, params } = asked;
      servePort(app, asked, socket, () =>
        sandboxes.get(caller.tenant, params.id).connect(params.port),
      );
    },
    ({ caller, params }) => {
      sandboxes.get(caller.tenant, params.id);
    },
  );
}

function portToWire({ guestPort, host, port }: PublishedPort) {
  return { guestPort, host, port };
}

function notChosen(): CaissonError {
  return new CaissonError('FORBIDDEN', {
    layer: 'server',
    message: 'a port of the machine is the operator’s to choose',
    hint: 'leave port out: one that is free is taken',
  });
}

function tooMany(used: number): CaissonError {
  return new CaissonError('QUOTA_EXCEEDED', {
    layer: 'server',
    message: `${used} ports of this sandbox are published, and no more can be`,
    hint: 'unpublish some, or connect to ports with GET …/ports/{port}',
    details: { quota: 'ports', limit: MOST_PUBLISHED, used },
  });
}

function notPublished(port: number): CaissonError {
  return new CaissonError('NOT_FOUND', {
    layer: 'server',
    message: `port ${port} is not published`,
    hint: 'GET …/ports lists those that are',
  });
}
