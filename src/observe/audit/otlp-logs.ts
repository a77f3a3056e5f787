/**
 * Records as OTLP logs (opentelemetry-proto, logs/v1, JSON encoding). Pure: who sends them, and where, is telemetry's
 * affair. https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
 */
import { canonicalJson } from './canonical-json.ts';
import type { AuditRecord } from './record.ts';

/** Of the specification's severity numbers: INFO, WARN, ERROR. */
const [INFO, WARN, ERROR] = [9, 13, 17];

const SEVERITY: Readonly<Record<string, number>> = {
  refused: WARN,
  violation: WARN,
  limit: WARN,
  alert: WARN,
  clock: WARN,
  recovered: WARN,
  held: WARN,
  lost: ERROR,
};

interface Attribute {
  readonly key: string;
  readonly value: { readonly stringValue: string } | { readonly intValue: string };
}

/** Body of one export request. @param log name of the log, an attribute of the resource */
export function otlpLogs(records: readonly AuditRecord[], log: string): Record<string, unknown> {
  return {
    resourceLogs: [
      {
        resource: { attributes: [text('service.name', 'caisson'), text('caisson.audit.log', log)] },
        scopeLogs: [{ scope: { name: 'caisson.audit' }, logRecords: records.map(logRecord) }],
      },
    ],
  };
}

function logRecord(record: AuditRecord): Record<string, unknown> {
  const { ts, seq, event, run, sandbox, tenant, policy, details, hash } = record;
  const severityNumber = SEVERITY[event] ?? INFO;
  const named = { run, sandbox, tenant, policy, hash };
  return {
    timeUnixNano: ts,
    observedTimeUnixNano: ts,
    severityNumber,
    severityText: severityNumber === INFO ? 'INFO' : severityNumber === WARN ? 'WARN' : 'ERROR',
    eventName: `caisson.${event}`,
    body: { stringValue: canonicalJson(details) },
    attributes: [
      { key: 'caisson.seq', value: { intValue: String(seq) } },
      ...Object.entries(named).flatMap(([name, value]) =>
        value === undefined ? [] : [text(`caisson.${name}`, value)],
      ),
    ],
  };
}

function text(key: string, stringValue: string): Attribute {
  return { key, value: { stringValue } };
}
