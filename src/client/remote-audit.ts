/** The audit log of a service, as far as the key's tenant may read it. */

import { setTimeout as sleep } from 'node:timers/promises';
import { auditRecord, queryAudit, streamAudit } from '../api/audit.ts';
import type { ValueOf } from '../api/route.ts';
import { CaissonError, isCaissonError } from '../core/error.ts';
import { safeParse } from '../core/safe-parse.ts';
import { checkOptions, type KindsOf } from '../policy/known-options.ts';
import { eventsOf } from './events.ts';
import { eachOf } from './pages.ts';
import { remoteFailed } from './remote-answer.ts';
import type { Transport } from './transport.ts';

export type RemoteAuditRecord = ValueOf<typeof queryAudit>['items'][number];

export interface AuditFilter {
  /** Only these events: docs/audit.md. */
  readonly events?: readonly string[];
  /** Only this run or sandbox. */
  readonly run?: string;
}

export interface AuditQuery extends AuditFilter {
  /** Records behind this `seq`. */
  readonly after?: number;
  /** Unix milliseconds, from then on, and before then. */
  readonly sinceMs?: number;
  readonly untilMs?: number;
  readonly signal?: AbortSignal;
}

export interface AuditFollow extends AuditFilter {
  /** Begins behind this `seq`; default: with what is written from now on. */
  readonly after?: number;
  /** Ends it, without an error. */
  readonly signal?: AbortSignal;
}

const FOLLOW = {
  events: 'texts',
  run: 'text',
  after: 'number',
  signal: 'signal',
} as const satisfies KindsOf<AuditFollow>;
const QUERY = {
  ...FOLLOW,
  sinceMs: 'number',
  untilMs: 'number',
} as const satisfies KindsOf<AuditQuery>;

const FIRST_WAIT_MS = 100;
const LONGEST_WAIT_MS = 5000;
/** The service is not there, or about to be another one. */
const PASSING: ReadonlySet<string> = new Set([
  'REMOTE_FAILED',
  'DRAINING',
  'AUTHENTICATION_UNAVAILABLE',
]);

export class RemoteAudit {
  readonly #transport: Transport;

  /** @internal */
  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Oldest first. @throws AUDIT_UNAVAILABLE */
  async *query(query: AuditQuery = {}): AsyncGenerator<RemoteAuditRecord> {
    checkOptions(query, 'query', QUERY, 'client');
    const { after, sinceMs, untilMs, signal } = query;
    yield* eachOf(this.#transport, queryAudit, {
      signal,
      query: {
        ...filterToWire(query),
        ...(after === undefined ? {} : { after }),
        ...(sinceMs === undefined ? {} : { sinceMs }),
        ...(untilMs === undefined ? {} : { untilMs }),
      },
    });
  }

  /**
   * Records as they are written, each once, without end. Where the connection breaks it comes again and goes on behind
   * the last one; only a first connection that cannot be had is an error.
   *
   * @throws AUDIT_UNAVAILABLE, REMOTE_FAILED
   * @example for await (const { event } of caisson.audit.follow({ events: ['violation'] })) alert(event);
   */
  async *follow(options: AuditFollow = {}): AsyncGenerator<RemoteAuditRecord> {
    checkOptions(options, 'follow', FOLLOW, 'client');
    const { after, signal } = options;
    let last = after === undefined ? undefined : String(after);
    let wait = FIRST_WAIT_MS;
    let hasBegun = false;
    while (!hasEnded(signal)) {
      try {
        for await (const { event, data, id } of eventsOf(this.#transport, streamAudit, {
          query: filterToWire(options),
          signal,
          ...(last === undefined ? {} : { headers: { 'last-event-id': last } }),
        })) {
          hasBegun = true;
          wait = FIRST_WAIT_MS;
          if (event === 'record') {
            const record = recordOf(data);
            // Told already, before the connection broke.
            if (last === undefined || record.seq > Number(last)) {
              last = String(record.seq);
              yield record;
            }
          } else if (event === 'begin') last ??= id;
        }
      } catch (error) {
        if (hasEnded(signal)) return;
        const isPassing = isCaissonError(error) && PASSING.has(error.code);
        if (!hasBegun || !isPassing || this.#transport.isClosed) throw error;
      }
      await sleep(wait, undefined, signal === undefined ? {} : { signal }).catch(() => {});
      wait = Math.min(2 * wait, LONGEST_WAIT_MS);
    }
  }
}

function hasEnded(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true;
}

function recordOf(data: unknown): RemoteAuditRecord {
  const parsed = safeParse(auditRecord, data);
  if (!parsed.success) throw remoteFailed('it sent a record that is none');
  return parsed.data;
}

/** @throws REQUEST_INVALID for an event whose name would be two */
function filterToWire({ events, run }: AuditFilter): { event?: string; run?: string } {
  const odd = events?.find((event) => event === '' || event.includes(','));
  if (odd !== undefined) {
    throw new CaissonError('REQUEST_INVALID', {
      layer: 'client',
      message: `${JSON.stringify(odd)} is no event`,
      hint: 'docs/audit.md lists them',
    });
  }
  return {
    ...(events === undefined ? {} : { event: events.join(',') }),
    ...(run === undefined ? {} : { run }),
  };
}
