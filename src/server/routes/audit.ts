/** The audit log, as far as it tells of the caller’s tenant. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import { queryAudit, streamAudit } from '../../api/audit.ts';
import { CaissonError } from '../../core/error.ts';
import { followLog } from '../../observe/audit/follow-log.ts';
import { matches, type RecordFilter, readLog } from '../../observe/audit/read-log.ts';
import type { AuditRecord } from '../../observe/audit/record.ts';
import { eventStream, lastEventId, type ServerEvent } from '../http/event-stream.ts';
import type { Caller } from '../http/gatekeeper.ts';
import { implement } from '../http/implement.ts';
import type { Service } from '../service.ts';

const PAGE = 100;
const LOOK_EVERY_MS = 250;
/** Others wait for a query no longer than so many records take. */
const BREATHE_EVERY = 5000;
const BREATH = Symbol('others come first');
const NANOSECONDS = 1_000_000n;

export function serveAudit(app: FastifyInstance, service: Service): void {
  implement(app, queryAudit, async ({ query, caller, signal }) => {
    const { event, run, sinceMs, untilMs, after, limit = PAGE } = query;
    const filter: RecordFilter = {
      ...filterOf(caller, { event, run }),
      since: sinceMs === undefined ? undefined : BigInt(sinceMs) * NANOSECONDS,
      until: untilMs === undefined ? undefined : BigInt(untilMs) * NANOSECONDS,
    };
    const items: AuditRecord[] = [];
    let looked = 0;
    for (const record of readLog(directoryOf(service))) {
      if (++looked % BREATHE_EVERY === 0) await sleep(0);
      if (signal.aborted) break;
      if ((after !== undefined && record.seq <= after) || !matches(record, filter)) continue;
      items.push(record);
      if (items.length > limit) break;
    }
    const more = items.length > limit;
    const shown = items.slice(0, limit);
    return { items: shown, ...(more ? { next: String(shown.at(-1)?.seq) } : {}) };
  });

  implement(app, streamAudit, (asked) => {
    const filter = filterOf(asked.caller, asked.query);
    const last = Number(lastEventId(asked.request) ?? Number.NaN);
    const records = follow(
      directoryOf(service),
      filter,
      Number.isSafeInteger(last) ? last : undefined,
    );
    return eventStream(app, asked, untilAborted(records, asked.signal));
  });
}

/** What tells of another tenant, or of none, is for operators. */
function filterOf(
  { tenant, isOperator }: Caller,
  { event, run }: { readonly event?: string | undefined; readonly run?: string | undefined },
): RecordFilter {
  return {
    ...(isOperator ? {} : { tenant }),
    ...(event === undefined ? {} : { events: event.split(',') }),
    ...(run === undefined ? {} : { run }),
  };
}

function directoryOf({ audit }: Service): string {
  if (audit !== undefined) return audit.directory;
  throw new CaissonError('AUDIT_UNAVAILABLE', {
    layer: 'server',
    message: 'this service keeps no audit log',
    hint: 'set audit.enabled',
  });
}

/**
 * @param after what was missed since this record comes first
 * @returns a number first: the last record of all before it began, so that nothing is missed by who comes again at once
 */
function* follow(
  directory: string,
  filter: RecordFilter,
  after: number | undefined,
): Generator<AuditRecord | typeof BREATH | number | undefined> {
  const follower = followLog(directory, 0);
  // Its place first: what is written while the log is read comes from there.
  const last = follower.next().at(-1)?.seq ?? -1;
  let seen = after ?? last;
  yield seen;
  if (after !== undefined) {
    let looked = 0;
    for (const record of readLog(directory)) {
      if (++looked % BREATHE_EVERY === 0) yield BREATH;
      if (record.seq <= seen || !matches(record, filter)) continue;
      seen = record.seq;
      yield record;
    }
  }
  for (;;) {
    for (const record of follower.next()) {
      if (record.seq > seen && matches(record, filter)) yield record;
    }
    yield undefined;
  }
}

async function* untilAborted(
  records: Generator<AuditRecord | typeof BREATH | number | undefined>,
  signal: AbortSignal,
): AsyncGenerator<ServerEvent> {
  for (const record of records) {
    if (signal.aborted) return;
    if (record === undefined) await sleep(LOOK_EVERY_MS, undefined, { signal }).catch(() => {});
    else if (record === BREATH) await sleep(0);
    else if (typeof record === 'number') yield { event: 'begin', data: {}, id: String(record) };
    else yield { event: 'record', data: record, id: String(record.seq) };
  }
}
