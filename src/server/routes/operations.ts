/** What operators ask of the service itself. */
import { Readable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import { openApiDocument } from '../../api/openapi.ts';
import { health, metrics, openApi, readiness } from '../../api/operations.ts';
import { CaissonError } from '../../core/error.ts';
import { version } from '../../core/version.ts';
import { DefaultPolicyWatch } from '../default-policy.ts';
import { Rendered, Reply } from '../http/answer.ts';
import { implement } from '../http/implement.ts';
import type { Service } from '../service.ts';

export function serveOperations(app: FastifyInstance, service: Service): void {
  const document = new Rendered(openApiDocument(version));
  const defaultPolicy = new DefaultPolicyWatch(service);

  implement(app, health, () => ({ status: 'ok' }) as const);

  implement(app, readiness, async () => {
    if (service.isDraining) throw new CaissonError('DRAINING', { layer: 'server' });
    service.store.revision();
    await service.audit?.ready();
    // Not ready it would take the requests away that can run: what is refused is told, not hidden.
    return { status: 'ready', defaultPolicy: await defaultPolicy.state() } as const;
  });

  implement(app, openApi, () => document);

  const { telemetry, config } = service;
  if (config.telemetry.metrics === 'off') return;
  implement(app, metrics, async () => {
    const text = await telemetry.renderMetrics();
    return new Reply(Readable.from([text]), {
      headers: { 'content-type': telemetry.metricsContentType },
    });
  });
}
