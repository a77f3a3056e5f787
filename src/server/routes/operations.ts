/** What operators ask of the service itself. */
import { Readable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import { openApiDocument } from '../../api/openapi.ts';
import { health, metrics, openApi, readiness } from '../../api/operations.ts';
import { CaissonError } from '../../core/error.ts';
import { version } from '../../core/version.ts';
import { Reply } from '../http/answer.ts';
import { implement } from '../http/implement.ts';
import type { Service } from '../service.ts';

export function serveOperations(app: FastifyInstance, service: Service): void {
  const document = openApiDocument(version);

  implement(app, health, () => ({ status: 'ok' }) as const);

  implement(app, readiness, async () => {
    if (service.isDraining) throw new CaissonError('DRAINING', { layer: 'server' });
    service.store.revision();
    await service.audit?.ready();
    await service.caisson.facts();
    return { status: 'ready' } as const;
  });

  implement(app, openApi, () => document);

  const { telemetry, config } = service;
  if (config.telemetry.metrics === 'off') return;
  implement(app, metrics, async ({ caller }) => {
    // Figures of all tenants together.
    if (config.telemetry.metrics !== 'open' && !caller.isOperator) {
      throw new CaissonError('FORBIDDEN', {
        layer: 'server',
        message: `${caller.subject} may not read the figures of every tenant`,
        hint: 'use a key with the role operator, or telemetry.metrics: open where only Prometheus can reach it',
      });
    }
    const text = await telemetry.renderMetrics();
    return new Reply(Readable.from([text]), {
      headers: { 'content-type': telemetry.metricsContentType },
    });
  });
}
