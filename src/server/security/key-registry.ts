/** API keys as people look after them: made, listed, rotated, revoked. The key itself is seen once, by whoever makes it. */
import { CaissonError } from '../../core/error.ts';
import type { ApiKeyRecord, KeyStore, StoredKey } from '../../store/key-record.ts';
import { KEY_ID } from '../../store/key-record.ts';
import { isOver } from './api-keys.ts';
import { checkOfToken, newKeyId, newToken } from './key-token.ts';
import { checkGrant, type Grant } from './roles.ts';
import { SecretHasher } from './secret-hash.ts';
import { ServiceClock } from './service-clock.ts';

/** What may be told of a key. */
export interface KeyInfo {
  readonly id: string;
  readonly tenant: string;
  readonly name: string;
  readonly roles: readonly string[];
  readonly scopes: readonly string[];
  readonly state: 'valid' | 'expired' | 'revoked';
  /** Unix ms, like all times here. */
  readonly createdMs: number;
  readonly createdBy: string;
  readonly expiresMs?: number;
  /** When its secret was replaced last. */
  readonly rotatedMs?: number;
  /** Until then the secret before that one is good, too. */
  readonly overlapUntilMs?: number;
  /** May be half a minute old. */
  readonly lastUsedMs?: number;
  readonly revoked?: { readonly atMs: number; readonly by: string; readonly reason: string };
}

export interface NewKey extends Grant {
  readonly tenant: string;
  readonly name: string;
  /** Unix ms. */
  readonly expiresMs?: number;
  /** Subject of who makes it. */
  readonly by: string;
  /** Valid keys that the tenant may have; absent: any number. */
  readonly most?: number;
}

/** `token` is told this once and kept nowhere. */
export interface IssuedKey {
  readonly key: KeyInfo;
  readonly token: string;
}

/** For the tenant to put the new secret wherever the old one is. */
export const DEFAULT_OVERLAP_MS = 24 * 3600_000;
const MOST_OVERLAP_MS = 90 * 24 * 3600_000;
const NAME = /^[^\p{C}\p{Z}]?(?:[^\p{C}\u2028\u2029]{0,126}[^\p{C}\p{Z}])?$/u;
const MOST_REASON = 500;

export class KeyRegistry {
  readonly #store: KeyStore;
  readonly #clock: ServiceClock;
  readonly #hasher: SecretHasher;

  constructor(
    store: KeyStore,
    {
      clock = new ServiceClock(),
      hasher = new SecretHasher(),
    }: { readonly clock?: ServiceClock; readonly hasher?: SecretHasher } = {},
  ) {
    this.#store = store;
    this.#clock = clock;
    this.#hasher = hasher;
  }

  /** @throws REQUEST_INVALID, QUOTA_EXCEEDED */
  async create(wanted: NewKey): Promise<IssuedKey> {
    const { tenant, name, roles, scopes, expiresMs, by, most } = wanted;
    const nowMs = this.#clock.nowMs();
    checkGrant(wanted);
    if (!NAME.test(name)) {
      throw invalid('the name of the key cannot be used', 'write at most 128 printable characters');
    }
    if (expiresMs !== undefined && !(Number.isSafeInteger(expiresMs) && expiresMs > nowMs)) {
      throw invalid('the key would have expired already', 'name a time to come');
    }
    const id = newKeyId();
    const token = newToken(id);
    const record: ApiKeyRecord = {
      id,
      tenant,
      name,
      roles: unique(roles),
      scopes: unique(scopes),
      secrets: [
        {
          hash: await this.#hasher.hash(token),
          check: checkOfToken(token),
          createdMs: nowMs,
        },
      ],
      createdMs: nowMs,
      createdBy: by,
      ...(expiresMs === undefined ? {} : { expiresMs }),
    };
    const added = await this.#store.add(
      record,
      most === undefined ? undefined : { keys: most, nowMs },
    );
    if (added === 'added') return { key: infoOf({ record }, nowMs), token };
    if (added === 'exists') throw new Error('80 random bits came twice');
    throw new CaissonError('QUOTA_EXCEEDED', {
      layer: 'server',
      message: `${tenant} has ${most} valid API keys, and may have no more`,
      hint: 'revoke one that nobody needs',
      details: { quota: 'keys', limit: most, used: most, asked: 1 },
    });
  }

  /** By id; default: of every tenant. */
  async list(
    filter: { readonly tenant?: string; readonly limit?: number; readonly after?: string } = {},
  ): Promise<KeyInfo[]> {
    const nowMs = this.#clock.nowMs();
    return (await this.#store.list(filter)).map((stored) => infoOf(stored, nowMs));
  }

  /** @throws NOT_FOUND, also where it is another tenant's */
  async get(tenant: string, id: string): Promise<KeyInfo> {
    const key = await this.find(id);
    if (key.tenant !== tenant) throw notFound(id);
    return key;
  }

  /** Whosever it is: for operators. @throws NOT_FOUND */
  async find(id: string): Promise<KeyInfo> {
    const stored = KEY_ID.test(id) ? await this.#store.get(id) : undefined;
    if (stored === undefined) throw notFound(id);
    return infoOf(stored, this.#clock.nowMs());
  }

  /**
   * A new secret; the one before is good for `overlapMs` more.
   *
   * @param options `overlapMs`: default 24 hours, 0: none
   * @throws NOT_FOUND; CONFLICT: it was revoked, or has expired
   */
  async rotate(
    tenant: string,
    id: string,
    { overlapMs = DEFAULT_OVERLAP_MS }: { readonly overlapMs?: number } = {},
  ): Promise<IssuedKey> {
    if (!(Number.isSafeInteger(overlapMs) && overlapMs >= 0 && overlapMs <= MOST_OVERLAP_MS)) {
      throw invalid('the overlap is not one', 'write a time from 0 to 90 days');
    }
    await this.get(tenant, id);
    const token = newToken(id);
    const [like] = (await this.#store.get(id))?.record.secrets ?? [];
    const hash = await this.#hasher.hash(token, this.#usable(like?.hash));
    const stored = await this.#store.update(tenant, id, (record) => {
      // Read here: it may have ended while the hash was reckoned.
      const nowMs = this.#clock.nowMs();
      const { state } = infoOf({ record }, nowMs);
      if (state !== 'valid') {
        throw new CaissonError('CONFLICT', {
          layer: 'server',
          message: state === 'revoked' ? 'the API key was revoked' : 'the API key has expired',
          hint: 'make another one',
        });
      }
      const until = nowMs + overlapMs;
      const [newest] = record.secrets;
      const kept = newest === undefined || overlapMs === 0 ? [] : [{ ...newest, expiresMs: until }];
      return {
        ...record,
        secrets: [{ hash, check: checkOfToken(token), createdMs: nowMs }, ...kept],
      };
    });
    if (stored === undefined) throw notFound(id);
    return { key: infoOf(stored, this.#clock.nowMs()), token };
  }

  /** At once and for good. Revoked before, it stays as it was. @throws NOT_FOUND */
  async revoke(
    tenant: string,
    id: string,
    { by, reason = '' }: { readonly by: string; readonly reason?: string },
  ): Promise<KeyInfo> {
    if (reason.length > MOST_REASON || /\p{C}/u.test(reason)) {
      throw invalid('the reason cannot be kept', `write at most ${MOST_REASON} characters`);
    }
    const stored = KEY_ID.test(id)
      ? await this.#store.update(tenant, id, (record) => ({
          ...record,
          revoked: record.revoked ?? { atMs: this.#clock.nowMs(), by, reason },
        }))
      : undefined;
    if (stored === undefined) throw notFound(id);
    return infoOf(stored, this.#clock.nowMs());
  }

  /** One salt for both secrets, so that one reckoning finds either; not where newer keys are hashed in another way. */
  #usable(hash: ApiKeyRecord['secrets'][number]['hash'] | undefined) {
    const { cost, blockSize, parallelization } = this.#hasher.parameters;
    const same =
      hash?.cost === cost &&
      hash.blockSize === blockSize &&
      hash.parallelization === parallelization;
    return same ? hash : undefined;
  }
}

function infoOf({ record, lastUsedMs }: StoredKey, nowMs: number): KeyInfo {
  const { id, tenant, name, roles, scopes, createdMs, createdBy, expiresMs, revoked } = record;
  const [newest, before] = record.secrets;
  const overlapUntilMs =
    before !== undefined && !isOver(before, nowMs) ? before.expiresMs : undefined;
  const expired = expiresMs !== undefined && expiresMs <= nowMs;
  return {
    id,
    tenant,
    name,
    roles,
    scopes,
    state: revoked !== undefined ? 'revoked' : expired ? 'expired' : 'valid',
    createdMs,
    createdBy,
    ...(expiresMs === undefined ? {} : { expiresMs }),
    ...(newest === undefined || newest.createdMs === createdMs
      ? {}
      : { rotatedMs: newest.createdMs }),
    ...(overlapUntilMs === undefined ? {} : { overlapUntilMs }),
    ...(lastUsedMs === undefined ? {} : { lastUsedMs }),
    ...(revoked === undefined ? {} : { revoked }),
  };
}

function unique(names: readonly string[]): string[] {
  return [...new Set(names)].sort();
}

function notFound(id: string): CaissonError {
  return new CaissonError('NOT_FOUND', {
    layer: 'server',
    message: `there is no API key ${JSON.stringify(id.slice(0, 80))}`,
    hint: 'the list of keys shows which there are (caisson access keys list)',
  });
}

function invalid(message: string, hint: string): CaissonError {
  return new CaissonError('REQUEST_INVALID', { layer: 'server', message, hint });
}
