/**
 * The port by which every step is told of while it happens, for a trace. Wired in compose; absent, nothing is asked of it.
 */
import type { Observer } from './ports.ts';

/** A place in a trace, as it is handed from one process to another (W3C Trace Context). */
export interface TraceContext {
  readonly traceparent: string;
  readonly tracestate?: string;
}

/** By OpenTelemetry's semantic conventions where they name it, else `caisson.…`. What is undefined is left out. */
export type SpanAttributes = Readonly<Record<string, string | number | boolean | undefined>>;

export interface SpanOptions {
  /** `server`: it answers a request of another process. Default `internal`. */
  readonly kind?: 'internal' | 'server' | 'client';
  /** Below this, whatever is active here. What is no valid context counts as none. */
  readonly parent?: TraceContext | undefined;
  /** Below this where nothing is active here. */
  readonly origin?: Span | undefined;
  readonly attributes?: SpanAttributes;
  /** When it began, by `performance.now()`; default now. */
  readonly startMs?: number;
}

export interface Span {
  /** What a process that takes part is told; undefined where nothing is traced. */
  readonly context: TraceContext | undefined;
  set(attributes: SpanAttributes): void;
  /**
   * Idempotent.
   *
   * @param failure what was thrown; its code is told, its message is not: that may hold words of the guest's
   * @param endMs by `performance.now()`; default now
   */
  end(failure?: unknown, endMs?: number): void;
}

/** None of its methods throws, waits, or holds anything up. */
export interface Telemetry {
  /** Told of everything that happens, as any {@link Observer}; absent: it wants to know of steps alone. */
  readonly observer?: Observer;
  /** Whether a guest is told its place in the trace, by TRACEPARENT and TRACESTATE. */
  readonly reachesGuests: boolean;
  /** What new spans are below here; undefined where that is nothing. */
  readonly active: Span | undefined;
  /** Begins a span: below its `parent`, else below what is active here. */
  begin(name: string, options?: SpanOptions): Span;
  /** Does the work with the span active, and whatever it awaits. */
  within<T>(span: Span, work: () => T): T;
  /** Does the work with nothing traced below it: of what outlives whoever caused it. */
  apart<T>(work: () => T): T;
}

/** Does the work in a span of its own, which ends with it. */
export async function traced<T>(
  telemetry: Telemetry,
  name: string,
  options: SpanOptions,
  work: (span: Span) => T | Promise<T>,
): Promise<T> {
  const span = telemetry.begin(name, options);
  try {
    const value = await telemetry.within(span, () => work(span));
    span.end();
    return value;
  } catch (error) {
    span.end(error);
    throw error;
  }
}
