/** Commands with their streams: over a WebSocket, or what they write as events. */
import type { FastifyInstance } from 'fastify';
import { streamInSandbox, streamRun } from '../../api/events.ts';
import { spawnInSandbox, spawnRun, spawnRunStart, spawnStart } from '../../api/spawn.ts';
import type { SpawnOptions } from '../../sandbox/exec-options.ts';
import { commandEvents } from '../command-events.ts';
import { serveGuest } from '../guest-session.ts';
import { eventStream } from '../http/event-stream.ts';
import { implement, implementSocket } from '../http/implement.ts';
import type { Service } from '../service.ts';
import type { Workspace } from '../workspaces.ts';
import { execOf, GO_WITH_RUN } from './commands.ts';
import { managedOf } from './sandboxes.ts';

export function serveSpawn(app: FastifyInstance, service: Service): void {
  const { manager, sandboxes, places, config } = service;
  const startWithinMs = config.limits.headersTimeoutMs;

  implementSocket(
    app,
    spawnInSandbox,
    (asked, socket) => {
      const { caller, params } = asked;
      serveGuest(app, asked, socket, {
        start: spawnStart,
        startWithinMs,
        begin: (start, signal) => ({
          guest: sandboxes
            .get(caller.tenant, params.id)
            .spawn(start.argv, { ...spawnOf(start), signal }),
        }),
      });
    },
    ({ caller, params }) => {
      sandboxes.get(caller.tenant, params.id);
    },
  );

  implementSocket(app, spawnRun, (asked, socket) => {
    const { caller } = asked;
    serveGuest(app, asked, socket, {
      start: spawnRunStart,
      startWithinMs,
      begin: async (start, signal) => {
        const policy = await places.policy(caller, start);
        const workspace = await places.workspace(caller, start);
        try {
          const begun = await manager.spawn(start.argv, {
            ...places.place(caller, start, policy, workspace),
            ...managedOf(start),
            ...spawnOf(start),
            ...GO_WITH_RUN,
            signal,
          });
          const release = () => workspace?.release();
          begun.guest.outcome.then(release, release).catch((error) => app.log.error(error));
          return begun;
        } catch (error) {
          await workspace?.release();
          throw error;
        }
      },
    });
  });

  implement(app, streamInSandbox, (asked) => {
    const { params, body, caller, signal } = asked;
    const sandbox = sandboxes.get(caller.tenant, params.id);
    const { input, ...options } = execOf(body);
    const events = commandEvents(app, async () => ({
      guest: sandbox.spawn(body.argv, { ...options, signal }),
      input,
    }));
    return eventStream(app, asked, events);
  });

  implement(app, streamRun, async (asked) => {
    const { body, caller, signal } = asked;
    const { input, ...options } = execOf(body);
    const policy = await places.policy(caller, body);
    let workspace: Workspace | undefined;
    const events = commandEvents(
      app,
      async () => {
        workspace = await places.workspace(caller, body);
        const begun = await manager.spawn(body.argv, {
          ...places.place(caller, body, policy, workspace),
          ...managedOf(body),
          ...options,
          ...GO_WITH_RUN,
          signal,
        });
        return { ...begun, input };
      },
      async () => await workspace?.release(),
    );
    return eventStream(app, asked, events);
  });
}

function spawnOf({
  pty,
  ...start
}: Parameters<typeof execOf>[0] & {
  readonly pty?: { readonly rows: number; readonly columns: number } | undefined;
}): Omit<SpawnOptions, 'signal'> {
  const { input: _, ...options } = execOf(start);
  return { ...options, ...(pty === undefined ? {} : { pty }) };
}
