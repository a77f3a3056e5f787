/**
 * Records of an audit log as log records of OpenTelemetry: read from the log's own files, so that nothing is told that was
 * not written, and nothing is held up by who reads it.
 */
import { type Logger, type LogRecord, SeverityNumber } from '@opentelemetry/api';
import { canonicalJson } from '../audit/canonical-json.ts';
import { type Follower, followLog } from '../audit/follow-log.ts';
import type { AuditRecord } from '../audit/record.ts';

const { INFO, WARN, ERROR } = SeverityNumber;

const SEVERITY: Readonly<Record<string, SeverityNumber>> = {
  refused: WARN,
  violation: WARN,
  limit: WARN,
  alert: WARN,
  clock: WARN,
  recovered: WARN,
  held: WARN,
  lost: ERROR,
};

const NAMES = new Map([
  [INFO, 'INFO'],
  [WARN, 'WARN'],
  [ERROR, 'ERROR'],
]);

/** @param log name of the log */
function logRecordOf(record: AuditRecord, log: string): LogRecord {
  const { ts, seq, event, run, sandbox, tenant, policy, details, hash } = record;
  const severityNumber = SEVERITY[event] ?? INFO;
  const named = { run, sandbox, tenant, policy, hash };
  const attributes: Record<string, string | number> = { 'caisson.seq': seq, 'caisson.log': log };
  for (const [name, value] of Object.entries(named)) {
    if (value !== undefined) attributes[`caisson.${name}`] = value;
  }
  const timestamp = hrTimeOf(ts);
  return {
    timestamp,
    observedTimestamp: timestamp,
    severityNumber,
    severityText: NAMES.get(severityNumber) ?? 'INFO',
    eventName: `caisson.${event}`,
    body: canonicalJson(details),
    attributes,
  };
}

/** Whole nanoseconds: a number would lose the last three digits. */
function hrTimeOf(ts: string): [number, number] {
  const nanoseconds = BigInt(ts);
  return [Number(nanoseconds / 1_000_000_000n), Number(nanoseconds % 1_000_000_000n)];
}

const EVERY_MS = 500;

/** Sends what is written from now on. */
export class AuditShipping {
  readonly #logger: Logger;
  readonly #log: string;
  readonly #follower: Follower;
  readonly #timer: NodeJS.Timeout;

  /** @throws PATH_MISSING */
  constructor(
    logger: Logger,
    { directory, id }: { readonly directory: string; readonly id: string },
  ) {
    this.#logger = logger;
    this.#log = id;
    this.#follower = followLog(directory, 1);
    this.#follower.next();
    this.#timer = setInterval(() => this.ship(), EVERY_MS).unref();
  }

  /** What was written meanwhile; also at the end, once. */
  ship(): void {
    try {
      for (const record of this.#follower.next()) {
        this.#logger.emit(logRecordOf(record, this.#log));
      }
    } catch {
      // The log's own users are told what is wrong with it; here it is tried again.
    }
  }

  stop(): void {
    clearInterval(this.#timer);
    this.ship();
  }
}
