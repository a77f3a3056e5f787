/** Requests with an idempotency key and what was answered, in the database of a service. */
import type { Database, Row } from './database.ts';
import {
  type Begun,
  type IdempotencyId,
  type IdempotencyStore,
  type IdempotentAnswer,
  type IdempotentRequest,
  MOST_ANSWER_BYTES,
  MOST_TENANT_BYTES,
  MOST_TENANT_RECORDS,
} from './idempotency-record.ts';

/** So many are forgotten in one go: each is a page or more to be written. */
const PRUNED_AT_ONCE = 1000;

const AT = 'tenant = $tenant AND route = $route AND key = $key';

export class SqliteIdempotencyStore implements IdempotencyStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async adopt(owner: string): Promise<number> {
    return this.#database.write(
      `UPDATE answer SET state = 'lost' WHERE state = 'running' AND owner <> $owner`,
      { owner },
    );
  }

  async begin(request: IdempotentRequest): Promise<Begun> {
    const { digest, owner, nowMs, expiresMs, ...id } = request;
    const at = onlyId(id);
    return this.#database.transaction((): Begun => {
      const [found] = this.#database.read(`SELECT * FROM answer WHERE ${AT}`, at);
      if (found !== undefined && Number(found.expires_ms) > nowMs) return stateOf(found, digest);
      // What still runs was not answered: it stays known, however late it is.
      if (found?.state === 'running') return stateOf(found, digest);
      if (found !== undefined) this.#database.write(`DELETE FROM answer WHERE ${AT}`, at);
      if (this.#total(id.tenant).records >= MOST_TENANT_RECORDS) return { state: 'full' };
      this.#database.write(
        `INSERT INTO answer (tenant, route, key, digest, state, owner, expires_ms)
         VALUES ($tenant, $route, $key, $digest, 'running', $owner, $expiresMs)`,
        { ...at, digest, owner, expiresMs },
      );
      return { state: 'begun' };
    });
  }

  async finish(
    id: IdempotencyId,
    { status, headers, body }: Omit<IdempotentAnswer, 'bodyOmitted'>,
  ): Promise<void> {
    this.#database.transaction(() => {
      const room = MOST_TENANT_BYTES - this.#total(id.tenant).bytes;
      const kept =
        body !== undefined && body.byteLength <= Math.min(MOST_ANSWER_BYTES, room) ? body : null;
      this.#database.write(
        `UPDATE answer SET state = 'done', status = $status, headers = $headers, omitted = $omitted,
           body = $body WHERE ${AT} AND state = 'running'`,
        {
          ...onlyId(id),
          status,
          headers: JSON.stringify(headers),
          omitted: Number(body !== undefined && kept === null),
          body: kept,
        },
      );
    });
  }

  async forget(id: IdempotencyId): Promise<void> {
    this.#database.write(`DELETE FROM answer WHERE ${AT} AND state = 'running'`, onlyId(id));
  }

  async prune(nowMs: number): Promise<number> {
    return this.#database.write(
      `DELETE FROM answer WHERE rowid IN (
         SELECT rowid FROM answer WHERE expires_ms <= $nowMs AND state <> 'running'
         ORDER BY expires_ms LIMIT $most)`,
      { nowMs, most: PRUNED_AT_ONCE },
    );
  }

  #total(tenant: string): { records: number; bytes: number } {
    const [row] = this.#database.read(
      'SELECT records, bytes FROM answer_total WHERE tenant = $tenant',
      { tenant },
    );
    return { records: Number(row?.records ?? 0), bytes: Number(row?.bytes ?? 0) };
  }
}

function stateOf(row: Row, digest: string): Begun {
  if (row.digest !== digest) return { state: 'differs' };
  if (row.state !== 'done') return { state: row.state === 'running' ? 'running' : 'lost' };
  const answer: IdempotentAnswer = {
    status: Number(row.status),
    headers: JSON.parse(String(row.headers)),
    bodyOmitted: row.omitted === 1,
    ...(row.body === null ? {} : { body: row.body as Uint8Array }),
  };
  return { state: 'done', answer };
}

/** SQLite refuses names that a statement does not have. */
function onlyId({ tenant, route, key }: IdempotencyId): Record<'tenant' | 'route' | 'key', string> {
  return { tenant, route, key };
}
