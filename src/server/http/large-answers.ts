/**
 * Answers that are large: written as JSON they take several times what they take before, until the client has taken them.
 * So much of each tenant at once; others wait, and what is not taken is given up, so that no tenant fills the memory.
 */
import type { ServerResponse } from 'node:http';
import { CaissonError } from '../../core/error.ts';

/** Smaller ones count for nothing. */
const LARGE = 1024 * 1024;
const MOST_AT_ONCE = 64 * 1024 * 1024;
/** Of those that wait for the others to be taken. */
const MOST_WAITING = 256 * 1024 * 1024;
/** Without a byte being taken. */
const STALLED_MS = 30_000;

interface Account {
  held: number;
  waiting: number;
  readonly line: { readonly bytes: number; readonly enter: () => void }[];
}

export class LargeAnswers {
  readonly #accounts = new Map<string, Account>();

  /**
   * Settles when there is room to write it. The room is free again when the response has been sent, or its client is gone.
   *
   * @throws TOO_LARGE where too much of the tenant's waits already
   */
  async room(tenant: string, value: unknown, response: ServerResponse): Promise<void> {
    const bytes = textBytesOf(value);
    if (bytes < LARGE) return;
    const account = this.#accounts.get(tenant) ?? { held: 0, waiting: 0, line: [] };
    this.#accounts.set(tenant, account);
    if (account.held > 0 && account.held + bytes > MOST_AT_ONCE) {
      if (account.waiting + bytes > MOST_WAITING) throw notTaken();
      account.waiting += bytes;
      await new Promise<void>((enter) => account.line.push({ bytes, enter }));
    } else account.held += bytes;
    if (response.closed || response.destroyed) {
      this.#leave(tenant, account, bytes);
      return;
    }
    response.once('close', () => this.#leave(tenant, account, bytes));
    response.setTimeout(STALLED_MS, () => {
      if (response.headersSent) response.destroy();
    });
  }

  #leave(tenant: string, account: Account, bytes: number): void {
    account.held -= bytes;
    for (let next = account.line[0]; next !== undefined; next = account.line[0]) {
      if (account.held > 0 && account.held + next.bytes > MOST_AT_ONCE) return;
      account.line.shift();
      account.waiting -= next.bytes;
      account.held += next.bytes;
      next.enter();
    }
    if (account.held === 0) this.#accounts.delete(tenant);
  }
}

/** Characters of the texts of an answer, and of what it holds: where large ones are large. */
function textBytesOf(value: unknown): number {
  if (typeof value === 'string') return value.length;
  if (typeof value !== 'object' || value === null) return 0;
  let bytes = 0;
  for (const each of Object.values(value)) {
    if (typeof each === 'string') bytes += each.length;
    else if (typeof each === 'object' && each !== null && !Array.isArray(each)) {
      for (const inner of Object.values(each)) if (typeof inner === 'string') bytes += inner.length;
    }
  }
  return bytes;
}

function notTaken(): CaissonError {
  return new CaissonError('TOO_LARGE', {
    layer: 'server',
    message: `${MOST_WAITING} bytes of answers of this tenant wait to be taken already; this one was thrown away`,
    hint: 'read answers as they come, ask for fewer at once, or take output as a stream',
    details: { limit: MOST_WAITING },
  });
}
