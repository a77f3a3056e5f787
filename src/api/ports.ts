/** The network of a sandbox, and ways to its ports. */
import * as z from 'zod/mini';
import { idParam, wholeNumber } from './query.ts';
import { defineRoute } from './route.ts';

const port = z.int().check(z.gte(1), z.lte(65_535));
const networkDocument = z
  .record(z.string(), z.unknown())
  .check(z.describe('As under `network` of a policy: docs/policy.md'));
const portParams = z.strictObject({
  ...idParam.shape,
  port: wholeNumber(1, 65_535, 'Inside; one that its policy lets it listen on'),
});

const publishedPort = z.object({
  guestPort: z.int().check(z.describe('Inside')),
  host: z.string().check(z.describe('Loopback address of the machine of the service')),
  port: z.int().check(z.describe('There')),
});

const tag = 'network';
const GONE = ['NOT_FOUND', 'SANDBOX_CLOSED'] as const;
const read = { tag, scope: 'sandboxes:read', params: idParam, errors: GONE } as const;
const write = { tag, scope: 'sandboxes:write', params: idParam, errors: GONE } as const;

export const inspectNetwork = defineRoute({
  ...read,
  id: 'inspectNetwork',
  method: 'GET',
  path: '/api/sandboxes/{id}/network',
  summary: 'What it may reach now',
  answers: { 200: { description: 'As it was normalised', schema: networkDocument } },
});

export const updateNetwork = defineRoute({
  ...write,
  id: 'updateNetwork',
  method: 'PUT',
  path: '/api/sandboxes/{id}/network',
  summary: 'Change what it may reach; connections that are no longer allowed are reset',
  description: 'Of mode `filtered`, and within what its tenant may.',
  body: z.strictObject({ network: networkDocument }),
  answers: { 200: { description: 'What it may reach now', schema: networkDocument } },
  errors: [...GONE, 'POLICY_INVALID', 'POLICY_BEYOND_CEILING', 'NETWORK_GONE', 'NETWORK_FAILED'],
});

export const publishPort = defineRoute({
  ...write,
  id: 'publishPort',
  method: 'POST',
  path: '/api/sandboxes/{id}/ports',
  summary: 'Let programs on the machine of the service reach a port inside',
  description:
    'On a loopback port, until it is unpublished or the sandbox ends. From elsewhere, connect to the port: the same path with GET.',
  body: z.strictObject({
    guestPort: port.check(z.describe('Inside; one that its policy lets it listen on')),
    port: z
      .optional(port)
      .check(z.describe('Of the machine; operators alone may choose. Default one that is free')),
  }),
  answers: { 201: { description: 'Where it is', schema: publishedPort } },
  errors: [...GONE, 'FORBIDDEN', 'QUOTA_EXCEEDED', 'NETWORK_GONE', 'NETWORK_FAILED'],
});

export const listPorts = defineRoute({
  ...read,
  id: 'listPorts',
  method: 'GET',
  path: '/api/sandboxes/{id}/ports',
  summary: 'Ports that are published',
  answers: {
    200: {
      description: 'By port inside',
      schema: z.object({ items: z.array(publishedPort).check(z.describe('Where they are')) }),
    },
  },
});

export const unpublishPort = defineRoute({
  ...write,
  id: 'unpublishPort',
  method: 'DELETE',
  path: '/api/sandboxes/{id}/ports/{port}',
  summary: 'Close the ways to a port inside that were published',
  params: portParams,
  answers: { 204: { description: 'They are closed' } },
});

export const connectPort = defineRoute({
  ...write,
  id: 'connectPort',
  method: 'GET',
  path: '/api/sandboxes/{id}/ports/{port}',
  summary: 'A connection to a TCP port inside',
  description:
    'A WebSocket: {"type":"open"} says that it is connected, binary messages are its bytes, {"type":"end"} as text the end of one direction, {"type":"problem"} why there is none.',
  params: portParams,
  answers: { 101: { description: 'A WebSocket' } },
  errors: [...GONE, 'NETWORK_FAILED'],
  socket: true,
});
