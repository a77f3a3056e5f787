/** What operators ask of the service itself. */
import * as z from 'zod/mini';
import { defineRoute } from './route.ts';

const tag = 'operations';

export const health = defineRoute({
  id: 'health',
  method: 'GET',
  path: '/healthz',
  tag,
  summary: 'It runs',
  scope: 'public',
  answers: { 200: { description: 'It does', schema: z.object({ status: z.literal('ok') }) } },
});

export const readiness = defineRoute({
  id: 'readiness',
  method: 'GET',
  path: '/readyz',
  tag,
  summary: 'It takes requests: launcher, store and audit log work, and it is not about to stop',
  scope: 'public',
  answers: {
    200: {
      description: 'It does',
      schema: z.object({
        status: z.literal('ready'),
        defaultPolicy: z
          .enum(['enforced', 'refused'])
          .check(
            z.describe(
              'Of requests that name no policy: refused, where this host cannot enforce all of the one that then holds; the service says at its start what is lacking, and POST /api/policies/explain does',
            ),
          ),
      }),
    },
  },
  errors: ['AUDIT_UNAVAILABLE', 'STORE_UNUSABLE', 'LAUNCHER_GONE', 'WALL_UNAVAILABLE'],
});

export const openApi = defineRoute({
  id: 'openApi',
  method: 'GET',
  path: '/openapi.json',
  tag,
  summary: 'This document',
  scope: 'public',
  answers: {
    200: { description: 'OpenAPI 3.1', schema: z.record(z.string(), z.unknown()) },
  },
});

export const metrics = defineRoute({
  id: 'metrics',
  method: 'GET',
  path: '/metrics',
  tag,
  summary: 'Figures for Prometheus',
  description:
    'Of every tenant together: for operators, and for keys with the scope `metrics:read`, which allows nothing else; without credentials where the configuration says `telemetry.metrics: open`.',
  scope: 'metrics:read',
  answers: { 200: { description: 'Text exposition', content: 'text/plain' } },
});
