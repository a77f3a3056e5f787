/** Places in a trace as text: https://www.w3.org/TR/trace-context/ */
import { createTraceState, isSpanContextValid, type SpanContext } from '@opentelemetry/api';
import type { TraceContext } from '../../core/telemetry.ts';

/** A later version may have more behind the flags; version 00 has not, and ff is none. */
const SHAPE = /^(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const STATE_MAX = 512;

/** @returns undefined for what is none: then a trace begins anew */
export function parseTraceContext(context: TraceContext): SpanContext | undefined {
  const match = SHAPE.exec(context.traceparent.trim());
  if (match === null || (match[1] === '00' && match[5] !== undefined)) return undefined;
  const { tracestate } = context;
  const hasState = tracestate !== undefined && tracestate !== '' && tracestate.length <= STATE_MAX;
  const parsed = {
    traceId: match[2] ?? '',
    spanId: match[3] ?? '',
    traceFlags: Number.parseInt(match[4] ?? '0', 16) & 1,
    isRemote: true,
    ...(hasState ? { traceState: createTraceState(tracestate) } : {}),
  };
  return isSpanContextValid(parsed) ? parsed : undefined;
}

export function formatTraceContext(span: SpanContext): TraceContext {
  const flags = (span.traceFlags & 1).toString(16).padStart(2, '0');
  const traceparent = `00-${span.traceId}-${span.spanId}-${flags}`;
  const tracestate = span.traceState?.serialize();
  return tracestate === undefined || tracestate === ''
    ? { traceparent }
    : { traceparent, tracestate };
}
