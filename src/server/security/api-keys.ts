/**
 * API keys: who holds which, and who it is that holds one.
 *
 * Whether a key is good is proven by its scrypt hash once, and remembered for a while; whether it may still be used is
 * asked at each request of the record as it is then, also where `caisson access` has just changed it.
 */
import { CaissonError, isCaissonError } from '../../core/error.ts';
import type { ApiKeyRecord, KeySecret, KeyStore, StoredKey } from '../../store/key-record.ts';
import type { Caller } from './caller.ts';
import { FailedAttempts } from './failed-attempts.ts';
import { checkOfToken, idOfToken } from './key-token.ts';
import { KeyUses } from './key-uses.ts';
import { isOperator, scopesOf } from './roles.ts';
import { type HashParameters, SecretHasher } from './secret-hash.ts';
import { ServiceClock } from './service-clock.ts';
import { VerifiedTokens } from './verified-tokens.ts';

const REMEMBERED_MS = 10 * 60_000;
const MOST_REMEMBERED = 10_000;
const MOST_RECORDS = 10_000;

export interface ApiKeysOptions {
  readonly store: KeyStore;
  /** Another number whenever something was changed; see `ServiceStore`. */
  readonly revision: () => number;
  readonly clock?: ServiceClock;
  readonly failures?: FailedAttempts;
  /** Of new hashes, and of what is reckoned for a key that is not there. */
  readonly hashing?: HashParameters;
}

/** That a token is one of the secrets of a key. */
interface Proof {
  readonly id: string;
  readonly secret: string;
}

interface Known {
  readonly record: ApiKeyRecord;
  readonly caller: Caller;
}

export class ApiKeys implements AsyncDisposable {
  readonly hasher: SecretHasher;
  readonly #store: KeyStore;
  readonly #revision: () => number;
  readonly #clock: ServiceClock;
  readonly #failures: FailedAttempts;
  readonly #uses: KeyUses;
  readonly #verified: VerifiedTokens<Proof>;
  readonly #inProgress = new Map<string, Promise<Proof | undefined>>();
  readonly #records = new Map<string, Known>();
  #seenRevision = -1;

  constructor(options: ApiKeysOptions) {
    this.#store = options.store;
    this.#revision = options.revision;
    this.#clock = options.clock ?? new ServiceClock();
    this.#failures = options.failures ?? new FailedAttempts(() => this.#clock.steadyMs());
    this.hasher = new SecretHasher(options.hashing);
    this.#uses = new KeyUses(options.store);
    this.#verified = new VerifiedTokens(MOST_REMEMBERED, () => this.#clock.steadyMs());
  }

  /**
   * Whose key it is. At once for one that was proven lately.
   *
   * @param token as it came
   * @param address where from; empty: a unix socket
   * @throws UNAUTHENTICATED: it is none, revoked or expired; RATE_LIMITED: too many were wrong, or are being proven
   */
  authenticate(token: string, address: string): Caller | Promise<Caller> {
    const digest = this.#verified.digest(token);
    const proof = this.#verified.get(digest);
    if (proof !== undefined) {
      this.#follow();
      const known = this.#records.get(proof.id);
      if (known !== undefined) return this.#admit(known, proof, digest);
    }
    return this.#prove(token, address, digest, proof);
  }

  async #prove(
    token: string,
    address: string,
    digest: string,
    remembered: Proof | undefined,
  ): Promise<Caller> {
    const id = idOfToken(token);
    const stored = id === undefined ? undefined : await this.#store.get(id);
    // One that is most likely right is counted by itself: what others get wrong who know its id keeps it out nowhere.
    const isLikely = candidates(stored, token).some(({ check }) => check !== undefined);
    const named = stored === undefined ? undefined : isLikely ? `${id} ${digest}` : id;
    try {
      if (remembered === undefined) this.#failures.check(address, named);
      const proof = remembered ?? (await this.#search(token, digest));
      const known = proof && (await this.#know(proof.id));
      if (proof === undefined || known === undefined) {
        throw unknownKey();
      }
      this.#verified.set(digest, proof, REMEMBERED_MS);
      return this.#admit(known, proof, digest);
    } catch (error) {
      // One that ended is proven anew each time: that has to have an end, too.
      if (isCaissonError(error) && error.code === 'UNAUTHENTICATED') {
        this.#failures.count(address, named);
      }
      throw error;
    }
  }

  /** Many requests at once with one new key prove it once. */
  #search(token: string, digest: string): Promise<Proof | undefined> {
    let search = this.#inProgress.get(digest);
    if (search === undefined) {
      search = this.#proofOf(token).finally(() => this.#inProgress.delete(digest));
      this.#inProgress.set(digest, search);
    }
    return search;
  }

  /** An id that nobody has takes as long as a wrong secret, and neither keeps a right one waiting. */
  async #proofOf(token: string): Promise<Proof | undefined> {
    const id = idOfToken(token);
    if (id === undefined) return undefined;
    const secrets = candidates(await this.#store.get(id), token);
    const found = await this.hasher.find(
      token,
      secrets.map(({ hash }) => hash),
    );
    return found && { id, secret: found.digest };
  }

  async #know(id: string): Promise<Known | undefined> {
    this.#follow();
    const seen = this.#seenRevision;
    let known = this.#records.get(id);
    if (known !== undefined) return known;
    const stored: StoredKey | undefined = await this.#store.get(id);
    if (stored === undefined) return undefined;
    known = { record: stored.record, caller: callerOf(stored.record) };
    this.#follow();
    if (seen === this.#seenRevision) {
      if (this.#records.size >= MOST_RECORDS) this.#records.clear();
      this.#records.set(id, known);
    }
    return known;
  }

  /** What was read before somebody changed something is read again. */
  #follow(): void {
    const revision = this.#revision();
    if (revision === this.#seenRevision) return;
    this.#seenRevision = revision;
    this.#records.clear();
  }

  /** Only whoever holds the secret is told why it is no good any more. */
  #admit({ record, caller }: Known, proof: Proof, digest: string): Caller {
    const refusal = refusalOf(record, proof, this.#clock.nowMs());
    if (refusal !== undefined) {
      this.#verified.delete(digest);
      throw unauthenticated(refusal);
    }
    this.#uses.note(record.id, this.#clock.nowMs());
    return caller;
  }

  /** Writes down when keys were used. */
  async close(): Promise<void> {
    this.#verified.clear();
    await this.#uses.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** Secrets of the key that the token may be. */
function candidates(stored: StoredKey | undefined, token: string): readonly KeySecret[] {
  const own = checkOfToken(token);
  return stored?.record.secrets.filter(({ check = own }) => check === own) ?? [];
}

function callerOf(record: ApiKeyRecord): Caller {
  return Object.freeze({
    tenant: record.tenant,
    subject: `key:${record.id}`,
    scopes: scopesOf(record),
    isOperator: isOperator(record),
    keyId: record.id,
  });
}

function refusalOf(record: ApiKeyRecord, proof: Proof, nowMs: number): string | undefined {
  if (record.revoked !== undefined) return 'the API key was revoked';
  if ((record.expiresMs ?? Number.POSITIVE_INFINITY) <= nowMs) return 'the API key has expired';
  const secret = record.secrets.find(({ hash }) => hash.digest === proof.secret);
  if (secret === undefined || isOver(secret, nowMs)) return 'the API key was replaced by another';
  return undefined;
}

export function isOver({ expiresMs }: KeySecret, nowMs: number): boolean {
  return expiresMs !== undefined && expiresMs <= nowMs;
}

/** The same for a wrong secret, an id that nobody has, and what is no key at all. */
export function unknownKey(): CaissonError {
  return unauthenticated('the credential is no API key of this service');
}

function unauthenticated(message: string): CaissonError {
  return new CaissonError('UNAUTHENTICATED', {
    layer: 'server',
    message,
    hint: 'send a key that holds; the list of keys shows which do (caisson access keys list)',
  });
}
