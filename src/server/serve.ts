/** The service: listens, answers, and on a signal comes to an orderly end. */
import type { FastifyInstance, RouteOptions } from 'fastify';
import type { Observer } from '../core/ports.ts';
import type { HostFacts } from '../plan/facts.ts';
import { type Config, configInvalid, configProblems } from './config/config.ts';
import { readTls } from './config/tls-files.ts';
import { endAll } from './end-all.ts';
import { openApplication } from './http/application.ts';
import { Requests } from './http/requests.ts';
import { listenAt } from './listen-at.ts';
import { openService } from './open-service.ts';
import { serveRoutes } from './routes/routes.ts';
import type { Service } from './service.ts';

const LAST_ANSWERS_MS = 1000;

export interface ServeOptions {
  /** Told of everything that happens, beside the audit log. */
  readonly observer?: Observer;
  /** Told of every route as it is registered. */
  readonly onRoute?: (route: RouteOptions) => void;
  /** Facts of this host where they are known already; default: they are found out. */
  readonly facts?: HostFacts;
}

export interface Serving extends AsyncDisposable {
  /** `http://127.0.0.1:8640`, or `unix:/run/caisson.sock`. */
  readonly address: string;
  readonly service: Service;
  readonly app: FastifyInstance;
  /**
   * Takes nothing new, gives what runs `drainTimeoutMs`, then ends it; settles when nothing is left. Idempotent.
   * What fails of its end keeps none of the rest from it, and is thrown last: AUDIT_UNAVAILABLE for records that are
   * nowhere.
   *
   * @param timeoutMs instead of the configuration’s
   */
  stop(timeoutMs?: number): Promise<void>;
  /** Whoever waits for what runs waits no longer. */
  hurry(): void;
}

/**
 * @throws CONFIG_INVALID for settings that contradict each other or would let anybody in; CONFLICT where something else is in
 * its place; and what cannot be opened
 * @example
 * await using serving = await serve(parseConfig({ listen: { port: 0 } }));
 * console.log(serving.address);
 */
export async function serve(config: Config, options: ServeOptions = {}): Promise<Serving> {
  // Also one that no parser has seen.
  const problems = configProblems(config);
  if (problems.length > 0) throw configInvalid(problems);
  const { listen, limits } = config;
  const { onRoute, ...known } = options;
  const tls = listen.tls === undefined ? undefined : await readTls(listen.tls);
  let app: FastifyInstance | undefined;
  const service = await openService(config, {
    onFault: (error) => app?.log.error({ err: error }, 'in the background'),
    ...known,
  });
  try {
    const requests = new Requests();
    app = await openApplication({
      gatekeeper: service.security.gate,
      accept: config.accept,
      idempotency: service.idempotency,
      telemetry: service.telemetry,
      limits,
      requests,
      recorded: async () => await service.audit?.written(),
      isDraining: () => service.isDraining,
      proxies: listen,
      ...(tls === undefined ? {} : { tls }),
    });
    if (onRoute !== undefined) app.addHook('onRoute', onRoute);
    serveRoutes(app, service);
    const address = await listenAt(app, listen);
    let stopping: Promise<void> | undefined;
    const opened = app;
    const stop = (timeoutMs = config.drainTimeoutMs): Promise<void> => {
      service.drain();
      stopping ??= endAll(
        () => requests.ended(timeoutMs),
        // What still runs is ended, and whoever asked for it is told so.
        () => service.manager.close({ reason: 'the service stopped' }),
        () => requests.ended(LAST_ANSWERS_MS),
        // Work of others than the manager: programs that are evaluated, analyses, searches, and whoever waits for a turn.
        () => requests.abort(),
        () => requests.ended(LAST_ANSWERS_MS),
        () => opened.server.closeAllConnections(),
        () => opened.close(),
        () => service.close(),
      );
      return stopping;
    };
    return {
      address,
      service,
      app,
      stop,
      hurry: () => requests.giveUp(),
      [Symbol.asyncDispose]: () => stop(0),
    };
  } catch (error) {
    // Why there is no service is what has to be told.
    await endAll(
      () => app?.close(),
      () => service.close(),
    ).catch(() => {});
    throw error;
  }
}
