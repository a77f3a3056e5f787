/**
 * Hashes of keys: scrypt (RFC 7914), in Node's threads, few at a time. Each takes tens of milliseconds and megabytes, so
 * that whoever makes the service reckon many of them waits, and past that is turned away.
 */
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { CaissonError } from '../../core/error.ts';
import type { KeySecret } from '../../store/key-record.ts';

export type SecretHash = KeySecret['hash'];
export type HashParameters = Pick<SecretHash, 'cost' | 'blockSize' | 'parallelization'>;

/** 16 MiB each. The secret has 256 bits: nobody guesses it, whatever a guess costs. */
const DEFAULT_PARAMETERS: HashParameters = {
  cost: 2 ** 14,
  blockSize: 8,
  parallelization: 1,
};
const DIGEST_BYTES = 32;
const SALT_BYTES = 16;
const MOST_MEMORY = 256 * 2 ** 20;

/** Two of Node's four threads stay free for files. */
const AT_ONCE = 2;
const MOST_WAITING = 64;

export class SecretHasher {
  readonly parameters: HashParameters;
  #running = 0;
  /** Those that may be right go first: a flood of wrong and made-up ones keeps nobody waiting but itself. */
  readonly #waiting = { real: [] as (() => void)[], pretended: [] as (() => void)[] };

  constructor(parameters: HashParameters = DEFAULT_PARAMETERS) {
    this.parameters = parameters;
  }

  /** @param like a hash whose salt and parameters are taken over, so that one reckoning serves both */
  async hash(token: string, like?: SecretHash): Promise<SecretHash> {
    const salt = like?.salt ?? randomBytes(SALT_BYTES).toString('base64');
    const parameters = like ?? this.parameters;
    const { cost, blockSize, parallelization } = parameters;
    const digest = await this.#reckon(token, { cost, blockSize, parallelization }, salt);
    return {
      algorithm: 'scrypt',
      cost,
      blockSize,
      parallelization,
      salt,
      digest: digest.toString('base64'),
    };
  }

  /** Takes as long as {@link find} does for a key that is there. */
  async pretend(token: string): Promise<undefined> {
    await this.#reckon(token, this.parameters, 'AAAAAAAAAAAAAAAAAAAAAA==', 'pretended');
    return undefined;
  }

  /** Which of these is the hash of the token. @throws RATE_LIMITED when too many are waiting */
  async find(token: string, hashes: readonly SecretHash[]): Promise<SecretHash | undefined> {
    if (hashes.length === 0) return this.pretend(token);
    const reckoned = new Map<string, Buffer>();
    let found: SecretHash | undefined;
    for (const hash of hashes) {
      const { cost, blockSize, parallelization, salt } = hash;
      const name = `${cost} ${blockSize} ${parallelization} ${salt}`;
      let digest = reckoned.get(name);
      if (digest === undefined) {
        digest = await this.#reckon(token, hash, salt);
        reckoned.set(name, digest);
      }
      const kept = Buffer.from(hash.digest, 'base64');
      if (kept.length === digest.length && timingSafeEqual(kept, digest)) found ??= hash;
    }
    return found;
  }

  async #reckon(
    token: string,
    parameters: HashParameters,
    salt: string,
    line: 'real' | 'pretended' = 'real',
  ): Promise<Buffer> {
    await this.#enter(this.#waiting[line]);
    try {
      const { cost, blockSize, parallelization } = parameters;
      return await new Promise<Buffer>((resolve, reject) => {
        scrypt(
          token,
          Buffer.from(salt, 'base64'),
          DIGEST_BYTES,
          { cost, blockSize, parallelization, maxmem: MOST_MEMORY },
          (error, digest) => (error === null ? resolve(digest) : reject(error)),
        );
      });
    } finally {
      this.#leave();
    }
  }

  async #enter(waiting: (() => void)[]): Promise<void> {
    if (this.#running < AT_ONCE) {
      this.#running++;
      return;
    }
    if (waiting.length >= MOST_WAITING) {
      throw new CaissonError('RATE_LIMITED', {
        layer: 'server',
        message: 'too many keys are being checked at once',
        hint: 'try again in a second',
        details: { retryAfterSeconds: 1 },
      });
    }
    await new Promise<void>((resolve) => waiting.push(resolve));
  }

  /** The place goes to the next one, so that nobody slips in between. */
  #leave(): void {
    const next = this.#waiting.real.shift() ?? this.#waiting.pretended.shift();
    if (next === undefined) this.#running--;
    else next();
  }
}
