/** Every request as a span, below its client's where that names one; what its handler calls is below it. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Span, SpanAttributes, Telemetry, TraceContext } from '../../core/telemetry.ts';

export function traceRequests(app: FastifyInstance, telemetry: Telemetry): void {
  const spans = new WeakMap<FastifyRequest, Span>();
  app.addHook('onRequest', (request, reply, done) => {
    const span = begin(telemetry, request);
    spans.set(request, span);
    // Of an upgraded connection too: it is closed when its WebSocket is.
    reply.raw.once('close', () => finish(span, request, reply));
    telemetry.within(span, done);
  });
  // A body comes in events of the connection, which know nothing of the request.
  app.addHook('preValidation', (request, _, done) => {
    const span = spans.get(request);
    if (span === undefined) done();
    else telemetry.within(span, done);
  });
}

/** Named after the route, never after the path: that holds ids. */
function begin(telemetry: Telemetry, request: FastifyRequest): Span {
  const { method, protocol } = request;
  const route = request.routeOptions.config?.contract?.path;
  return telemetry.begin(route === undefined ? method : `${method} ${route}`, {
    kind: 'server',
    parent: contextOf(request),
    attributes: {
      'http.request.method': method,
      'http.route': route,
      'url.scheme': protocol,
      'caisson.request.id': request.id,
      'client.address': request.clientAddress === '' ? undefined : request.clientAddress,
    },
  });
}

function finish(span: Span, request: FastifyRequest, reply: FastifyReply): void {
  const { tenant } = request.caller ?? {};
  const about: SpanAttributes = { 'caisson.tenant': tenant === '' ? undefined : tenant };
  if (!reply.raw.headersSent && !reply.sent) {
    span.set({ ...about, 'error.type': 'ABORTED' });
  } else {
    // A WebSocket is answered past Fastify.
    const status = reply.raw.headersSent ? reply.raw.statusCode : 101;
    span.set({
      ...about,
      'http.response.status_code': status,
      'error.type': status >= 500 ? String(status) : undefined,
    });
  }
  span.end();
}

function contextOf({ headers }: FastifyRequest): TraceContext | undefined {
  const { traceparent, tracestate } = headers;
  if (typeof traceparent !== 'string') return undefined;
  return typeof tracestate === 'string' ? { traceparent, tracestate } : { traceparent };
}
