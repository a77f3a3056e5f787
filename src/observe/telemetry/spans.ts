/**
 * The port of spans on OpenTelemetry's API: whatever tracer is given, ours or that of an application that has one already.
 * What is active here is kept by an AsyncLocalStorage of our own; where it has nothing, the application's own is asked.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import {
  type Span as ApiSpan,
  context as ambient,
  type Context,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import { errorCodes, isCaissonError } from '../../core/error.ts';
import type { Observer } from '../../core/ports.ts';
import type {
  Span,
  SpanAttributes,
  SpanOptions,
  Telemetry,
  TraceContext,
} from '../../core/telemetry.ts';
import { formatTraceContext, parseTraceContext } from './trace-parent.ts';

/** Told how long each span took that somebody waited for. */
export type Measure = (
  name: string,
  kind: SpanOptions['kind'],
  seconds: number,
  attributes: SpanAttributes,
) => void;

export interface SpansSetup {
  /** Absent: durations alone are told. */
  readonly tracer?: Tracer;
  readonly observer?: Observer;
  readonly measure?: Measure;
  /** Which spans `measure` wants to be told of; without a tracer there are no others. */
  readonly measures?: (name: string, kind: SpanOptions['kind']) => boolean;
  readonly reachesGuests: boolean;
}

const KINDS = {
  internal: SpanKind.INTERNAL,
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
} as const;

/** Not below anything, and nothing below it. */
const NOTHING: Span = { context: undefined, set: () => {}, end: () => {} };
/** Of which nobody is told. */
const UNTOLD: Span = { ...NOTHING };

export class Spans implements Telemetry {
  readonly observer?: Observer;
  readonly reachesGuests: boolean;
  readonly #tracer: Tracer | undefined;
  readonly #measure: Measure | undefined;
  readonly #measures: SpansSetup['measures'];
  readonly #here = new AsyncLocalStorage<Span>();

  constructor(setup: SpansSetup) {
    if (setup.observer !== undefined) this.observer = setup.observer;
    this.reachesGuests = setup.reachesGuests && setup.tracer !== undefined;
    this.#tracer = setup.tracer;
    this.#measure = setup.measure;
    this.#measures = setup.measures;
  }

  get active(): Span | undefined {
    return this.#here.getStore();
  }

  begin(name: string, options: SpanOptions = {}): Span {
    const isApart = options.parent === undefined && this.#here.getStore() === NOTHING;
    if (isApart) return NOTHING;
    const { kind = 'internal', attributes = {} } = options;
    if (this.#tracer === undefined && this.#measures?.(name, kind) !== true) return UNTOLD;
    const startMs = options.startMs ?? performance.now();
    const span = this.#tracer?.startSpan(
      name,
      {
        kind: KINDS[kind],
        startTime: performance.timeOrigin + startMs,
        attributes: present(attributes),
      },
      this.#parent(options),
    );
    const measure = this.#measure;
    return new Begun(span, startMs, attributes, (seconds, all) =>
      measure?.(name, kind, seconds, all),
    );
  }

  within<T>(span: Span, work: () => T): T {
    return this.#tracer === undefined ? work() : this.#here.run(span, work);
  }

  apart<T>(work: () => T): T {
    return this.#tracer === undefined ? work() : this.#here.run(NOTHING, work);
  }

  #parent({ parent, origin }: SpanOptions): Context {
    if (parent !== undefined) {
      const given = parseTraceContext(parent);
      return given === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, given);
    }
    const here = this.#here.getStore();
    if (here instanceof Begun && here.span !== undefined) {
      return trace.setSpan(ROOT_CONTEXT, here.span);
    }
    const around = ambient.active();
    if (trace.getSpan(around) !== undefined) return around;
    return origin instanceof Begun && origin.span !== undefined
      ? trace.setSpan(ROOT_CONTEXT, origin.span)
      : ROOT_CONTEXT;
  }
}

class Begun implements Span {
  readonly span: ApiSpan | undefined;
  readonly #startMs: number;
  readonly #measure: (seconds: number, attributes: SpanAttributes) => void;
  #attributes: SpanAttributes;
  #hasEnded = false;

  constructor(
    span: ApiSpan | undefined,
    startMs: number,
    attributes: SpanAttributes,
    measure: (seconds: number, attributes: SpanAttributes) => void,
  ) {
    this.span = span;
    this.#startMs = startMs;
    this.#attributes = attributes;
    this.#measure = measure;
  }

  get context(): TraceContext | undefined {
    return this.span === undefined ? undefined : formatTraceContext(this.span.spanContext());
  }

  set(attributes: SpanAttributes): void {
    this.#attributes = { ...this.#attributes, ...attributes };
    this.span?.setAttributes(present(attributes));
  }

  end(failure?: unknown, endMs: number = performance.now()): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    if (failure !== undefined) this.#fail(failure);
    this.span?.end(performance.timeOrigin + endMs);
    this.#measure(Math.max(0, endMs - this.#startMs) / 1000, this.#attributes);
  }

  /** The code's own sentence: the error's may hold what the guest was told to run. */
  #fail(failure: unknown): void {
    if (isCaissonError(failure)) {
      this.set({ 'error.type': failure.code });
      this.span?.setStatus({
        code: SpanStatusCode.ERROR,
        message: errorCodes[failure.code].message,
      });
      return;
    }
    const type = failure instanceof Error ? failure.name : '_OTHER';
    this.set({ 'error.type': type });
    this.span?.setStatus({ code: SpanStatusCode.ERROR });
  }
}

function present(attributes: SpanAttributes): Record<string, string | number | boolean> {
  const found: Record<string, string | number | boolean> = {};
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined) found[name] = value;
  }
  return found;
}
