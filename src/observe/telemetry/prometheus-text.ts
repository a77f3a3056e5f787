/**
 * Collected metrics in Prometheus' text format, version 0.0.4, named by OpenTelemetry's rules for it.
 * https://prometheus.io/docs/instrumenting/exposition_formats/
 * https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/
 */
import type { Attributes } from '@opentelemetry/api';
import { DataPointType, type MetricData, type ResourceMetrics } from '@opentelemetry/sdk-metrics';

export const PROMETHEUS_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** Units as words, where they become part of the name. Those in braces say what is counted, and do not. */
const UNITS: Readonly<Record<string, string>> = {
  s: 'seconds',
  ms: 'milliseconds',
  By: 'bytes',
  '1': 'ratio',
};

export function prometheusText({ resource, scopeMetrics }: ResourceMetrics): string {
  const lines: string[] = [];
  const seen = new Set<string>();
  for (const { metrics } of scopeMetrics) {
    for (const metric of metrics) {
      const type = typeOf(metric);
      if (type === undefined || metric.dataPoints.length === 0) continue;
      const name = nameOf(metric, type);
      // Two scopes may have an instrument of the same name; a family of that name may stand there once.
      if (seen.has(name)) continue;
      seen.add(name);
      lines.push(`# HELP ${name} ${escapeHelp(metric.descriptor.description)}`);
      lines.push(`# TYPE ${name} ${type}`);
      samplesOf(metric, name, lines);
    }
  }
  lines.push('# HELP target_info What is measured', '# TYPE target_info gauge');
  lines.push(`target_info${labels(resource.attributes)} 1`);
  return `${lines.join('\n')}\n`;
}

function typeOf(metric: MetricData): 'counter' | 'gauge' | 'histogram' | undefined {
  switch (metric.dataPointType) {
    case DataPointType.SUM:
      return metric.isMonotonic ? 'counter' : 'gauge';
    case DataPointType.GAUGE:
      return 'gauge';
    case DataPointType.HISTOGRAM:
      return 'histogram';
    default:
      return undefined;
  }
}

function nameOf({ descriptor }: MetricData, type: string): string {
  const { name, unit } = descriptor;
  let text = name.replace(/[^a-zA-Z0-9_:]+/g, '_').replace(/^(?=\d)/, '_');
  // These endings are of histograms alone.
  if (type !== 'histogram') text = text.replace(/_(?:count|sum|bucket)$/, '');
  const suffix = UNITS[unit];
  const isNamed = suffix === undefined || (suffix === 'ratio' && type !== 'gauge');
  if (!isNamed && !text.endsWith(`_${suffix}`)) text += `_${suffix}`;
  return type === 'counter' && !text.endsWith('_total') ? `${text}_total` : text;
}

function samplesOf(metric: MetricData, name: string, lines: string[]): void {
  if (metric.dataPointType === DataPointType.HISTOGRAM) {
    for (const { attributes, value } of metric.dataPoints) {
      const { boundaries, counts } = value.buckets;
      let cumulative = 0;
      for (const [index, count] of counts.entries()) {
        cumulative += count;
        const le = index < boundaries.length ? number(boundaries[index] ?? 0) : '+Inf';
        lines.push(`${name}_bucket${labels(attributes, ['le', le])} ${cumulative}`);
      }
      lines.push(`${name}_sum${labels(attributes)} ${number(value.sum ?? 0)}`);
      lines.push(`${name}_count${labels(attributes)} ${value.count}`);
    }
    return;
  }
  if (metric.dataPointType === DataPointType.EXPONENTIAL_HISTOGRAM) return;
  for (const { attributes, value } of metric.dataPoints) {
    lines.push(`${name}${labels(attributes)} ${number(value)}`);
  }
}

function labels(attributes: Attributes, last?: readonly [string, string]): string {
  const found = new Map<string, string>();
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null) continue;
    const label = name.replace(/[^a-zA-Z0-9_]+/g, '_').replace(/^(?=\d)/, '_');
    const before = found.get(label);
    const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
    // Names that become the same are told together, as OpenTelemetry's rules have it.
    found.set(label, before === undefined ? text : `${before};${text}`);
  }
  if (last !== undefined) found.set(last[0], last[1]);
  if (found.size === 0) return '';
  const pairs = [...found].map(([name, value]) => `${name}="${escapeLabel(value)}"`);
  return `{${pairs.join(',')}}`;
}

function number(value: number): string {
  if (value === Infinity) return '+Inf';
  if (value === -Infinity) return '-Inf';
  return String(value);
}

function escapeHelp(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}

function escapeLabel(text: string): string {
  return escapeHelp(text).replaceAll('"', '\\"');
}
