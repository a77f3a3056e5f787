/**
 * What is remembered of a request that came with an idempotency key, so that the same again is answered and not done
 * again, and the port behind which it is kept.
 */

/** A longer body is not kept. */
export const MOST_ANSWER_BYTES = 2 ** 20;
/** So much of one tenant's is kept; what comes then is answered, and its body not kept. */
export const MOST_TENANT_BYTES = 256 * 2 ** 20;
/** So many requests of one tenant are remembered at a time. */
export const MOST_TENANT_RECORDS = 100_000;

export interface IdempotencyId {
  readonly tenant: string;
  /** Operation, with its parameters where they are not in the digest. */
  readonly route: string;
  readonly key: string;
}

export interface IdempotentRequest extends IdempotencyId {
  /** Of what was asked: the same key with another digest is another request. */
  readonly digest: string;
  /** Names the process that does it. */
  readonly owner: string;
  /** Wall clock, Unix ms. */
  readonly nowMs: number;
  readonly expiresMs: number;
}

export interface IdempotentAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** There was one, and it was not kept. */
  readonly bodyOmitted: boolean;
}

/**
 * `begun`: the caller does it now. `running`: somebody does. `lost`: whoever did it died on the way, and nobody knows how
 * far it came. `differs`: the key came with another request. `full`: no more keys of this tenant can be remembered.
 */
export type Begun =
  | { readonly state: 'begun' | 'running' | 'lost' | 'differs' | 'full' }
  | { readonly state: 'done'; readonly answer: IdempotentAnswer };

export interface IdempotencyStore {
  /** At the start of a process: whatever others were doing is lost. @returns how many there were */
  adopt(owner: string): Promise<number>;
  begin(request: IdempotentRequest): Promise<Begun>;
  finish(id: IdempotencyId, answer: Omit<IdempotentAnswer, 'bodyOmitted'>): Promise<void>;
  /** Nothing was done: it may be tried again under the same key. */
  forget(id: IdempotencyId): Promise<void>;
  /** Forgets what has expired, a bounded number of them. @returns how many */
  prune(nowMs: number): Promise<number>;
}
