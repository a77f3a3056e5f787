/** Receives what OpenTelemetry sends over HTTP in JSON, as a collector would. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';

interface AnyValue {
  readonly stringValue?: string;
  readonly intValue?: string | number;
  readonly doubleValue?: number;
  readonly boolValue?: boolean;
}

interface KeyValue {
  readonly key: string;
  readonly value: AnyValue;
}

interface RawSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly traceState?: string;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly KeyValue[];
  readonly status: { readonly code: number; readonly message?: string };
}

interface RawRecord {
  readonly timeUnixNano: string;
  readonly severityNumber: number;
  readonly severityText: string;
  readonly eventName: string;
  readonly body: AnyValue;
  readonly attributes: readonly KeyValue[];
}

interface Requests {
  readonly resourceSpans?: readonly {
    readonly resource: { readonly attributes: readonly KeyValue[] };
    readonly scopeSpans: readonly { readonly spans: readonly RawSpan[] }[];
  }[];
  readonly resourceLogs?: readonly {
    readonly scopeLogs: readonly { readonly logRecords: readonly RawRecord[] }[];
  }[];
  readonly resourceMetrics?: readonly {
    readonly scopeMetrics: readonly { readonly metrics: readonly { readonly name: string }[] }[];
  }[];
}

export interface ReceivedSpan extends Omit<RawSpan, 'attributes'> {
  readonly attributes: Readonly<Record<string, unknown>>;
}

export interface ReceivedRecord extends Omit<RawRecord, 'attributes' | 'body'> {
  readonly body: unknown;
  readonly attributes: Readonly<Record<string, unknown>>;
}

export class OtlpReceiver implements AsyncDisposable {
  readonly spans: ReceivedSpan[] = [];
  readonly records: ReceivedRecord[] = [];
  readonly metrics = new Set<string>();
  readonly headers: NodeJS.Dict<string | string[]>[] = [];
  /** Attributes of the resource that spans came from. */
  resource: Readonly<Record<string, unknown>> = {};
  /** What requests are answered; `hang`: they are not. */
  answers: number | 'hang' = 200;
  requests = 0;
  readonly #server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      this.requests++;
      if (this.answers === 'hang') return;
      this.headers.push(request.headers);
      const sent = Buffer.concat(chunks);
      const body = request.headers['content-encoding'] === 'gzip' ? gunzipSync(sent) : sent;
      if (this.answers === 200) this.#take(request.url ?? '', JSON.parse(body.toString()));
      response.writeHead(this.answers, { 'content-type': 'application/json' }).end('{}');
    });
  });

  static async open(): Promise<OtlpReceiver> {
    const receiver = new OtlpReceiver();
    const { promise, resolve } = Promise.withResolvers<void>();
    receiver.#server.listen(0, '127.0.0.1', resolve);
    await promise;
    return receiver;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The one span of that name, below `parent` where one is given. */
  span(name: string, parent?: ReceivedSpan): ReceivedSpan {
    const found = this.spans.filter(
      (span) => span.name === name && (parent === undefined || span.parentSpanId === parent.spanId),
    );
    assert.equal(found.length, 1, `${name}: ${this.spans.map((span) => span.name).join(' ')}`);
    return found[0] as ReceivedSpan;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    this.#server.closeAllConnections();
    await promise;
  }

  #take(path: string, body: Requests): void {
    for (const { resource, scopeSpans } of body.resourceSpans ?? []) {
      assert.equal(path, '/v1/traces');
      this.resource = valuesOf(resource.attributes);
      const spans = scopeSpans.flatMap((scope) => scope.spans);
      this.spans.push(...spans.map((span) => ({ ...span, attributes: valuesOf(span.attributes) })));
    }
    for (const { scopeLogs } of body.resourceLogs ?? []) {
      assert.equal(path, '/v1/logs');
      for (const record of scopeLogs.flatMap((scope) => scope.logRecords)) {
        const attributes = valuesOf(record.attributes);
        this.records.push({ ...record, body: plainValue(record.body), attributes });
      }
    }
    for (const { scopeMetrics } of body.resourceMetrics ?? []) {
      assert.equal(path, '/v1/metrics');
      for (const { metrics } of scopeMetrics)
        for (const { name } of metrics) this.metrics.add(name);
    }
  }
}

function valuesOf(attributes: readonly KeyValue[]): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, plainValue(value)]));
}

function plainValue(value: AnyValue): unknown {
  if (value.intValue !== undefined) return Number(value.intValue);
  return value.stringValue ?? value.doubleValue ?? value.boolValue;
}
