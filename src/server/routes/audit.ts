/** The audit log, as far as it tells of the caller’s tenant. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import { queryAudit, streamAudit } from '../../api/audit.ts';
import { CaissonError } from '../../core/error.ts';
import { Turns } from '../../core/turns.ts';
import { followLog } from '../../observe/audit/follow-log.ts';
import { matches, type RecordFilter, readLog } from '../../observe/audit/read-log.ts';
import type { AuditRecord } from '../../observe/audit/record.ts';
import { eventStream, lastEventId, type ServerEvent } from '../http/event-stream.ts';
import type { Caller } from '../http/gatekeeper.ts';
import { implement } from '../http/implement.ts';
import type { Service } from '../service.ts';

const PAGE = 100;
const LOOK_EVERY_MS = 250;
/** Others wait for a look at the log no longer, ms; of each tenant there is one look at a time. */
const LOOK_MS = 10;
/** Of new records: who did not read for long is told of them part by part. */
const MOST_AT_ONCE = 256;
/** For records that were looked at for nothing. */
const BREATH = Symbol('others come first');
const NANOSECONDS = 1_000_000n;

export function serveAudit(app: FastifyInstance, service: Service): void {
  const [queries, looks] = [new Turns(), new Turns()];

  implement(app, queryAudit, async ({ query, caller, signal }) => {
    const { event, run, sinceMs, untilMs, after, limit = PAGE } = query;
    const filter: RecordFilter = {
      ...filterOf(caller, { event, run }),
      since: sinceMs === undefined ? undefined : BigInt(sinceMs) * NANOSECONDS,
      until: untilMs === undefined ? undefined : BigInt(untilMs) * NANOSECONDS,
    };
    const items: AuditRecord[] = [];
    // One at a time: each reads the whole log, and has memory to do so.
    await queries.take(caller.tenant, async () => {
      if (signal.aborted)
        throw new CaissonError('ABORTED', { layer: 'server', cause: signal.reason });
      const found = matching(directoryOf(service), filter, after ?? -1);
      for await (const part of inLooks(looks, caller.tenant, found)) {
        items.push(...part);
        if (signal.aborted || items.length > limit) break;
      }
    });
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
    const parts = inLooks(looks, asked.caller.tenant, records);
    return eventStream(app, asked, untilAborted(parts, asked.signal));
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

/** @param after its number, and those before it, were seen */
function* matching(
  directory: string,
  filter: RecordFilter,
  after: number,
): Generator<AuditRecord | typeof BREATH> {
  for (const record of readLog(directory)) {
    yield record.seq > after && matches(record, filter) ? record : BREATH;
  }
}

/** What a generator finds, in parts of one look each: others come between them, and the tenant's next. */
async function* inLooks<T>(
  looks: Turns,
  tenant: string,
  found: Generator<T | typeof BREATH>,
): AsyncGenerator<readonly T[]> {
  try {
    for (let isDone = false; !isDone; ) {
      const part: T[] = [];
      await looks.take(tenant, () => {
        const untilMs = performance.now() + LOOK_MS;
        while (!isDone && performance.now() < untilMs) {
          const { done, value } = found.next();
          if (done === true) isDone = true;
          else if (value !== BREATH) part.push(value);
          // There is no more for now.
          if (value === undefined) return;
        }
      });
      yield part;
    }
  } finally {
    // The file that it reads is open.
    found.return(undefined);
  }
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
  const follower = followLog(directory, 1, { most: MOST_AT_ONCE });
  // Its place first: what is written while the log is read comes from there.
  const last = follower.next().at(-1)?.seq ?? -1;
  let seen = after ?? last;
  yield seen;
  if (after !== undefined) {
    for (const record of matching(directory, filter, after)) {
      if (record !== BREATH) seen = record.seq;
      yield record;
    }
  }
  for (;;) {
    const records = follower.next();
    for (const record of records) {
      if (record.seq > seen && matches(record, filter)) yield record;
    }
    yield records.length === 0 ? undefined : BREATH;
  }
}

async function* untilAborted(
  parts: AsyncGenerator<readonly (AuditRecord | number | undefined)[]>,
  signal: AbortSignal,
): AsyncGenerator<ServerEvent> {
  for await (const part of parts) {
    if (signal.aborted) return;
    for (const record of part) {
      if (record === undefined) await sleep(LOOK_EVERY_MS, undefined, { signal }).catch(() => {});
      else if (typeof record === 'number') yield { event: 'begin', data: {}, id: String(record) };
      else yield { event: 'record', data: record, id: String(record.seq) };
    }
  }
}
