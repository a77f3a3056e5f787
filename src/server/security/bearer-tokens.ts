/**
 * Tokens of identity providers: JWTs (RFC 7519) that an issuer of the configuration has signed for this service, checked by
 * RFC 8725. What a token says of its own key (`jku`, `jwk`, `x5u`) is never followed: keys come from the issuer alone.
 */
import {
  createLocalJWKSet,
  createRemoteJWKSet,
  decodeJwt,
  errors,
  type JSONWebKeySet,
  type JWTPayload,
  type JWTVerifyGetKey,
  jwtVerify,
  type RemoteJWKSet,
} from 'jose';
import { CaissonError } from '../../core/error.ts';
import type { Caller } from './caller.ts';
import type { ServiceClock } from './service-clock.ts';
import { ASYMMETRIC_ALGORITHMS, type AsymmetricAlgorithm } from './token-algorithms.ts';
import { type ClaimRules, callerOfClaims } from './token-claims.ts';
import { VerifiedTokens } from './verified-tokens.ts';

export interface TokenIssuer extends ClaimRules {
  /** `iss`, letter by letter. */
  readonly issuer: string;
  readonly audience: string | readonly string[];
  /** Default: what the issuer's discovery document says. */
  readonly jwksUri?: string | undefined;
  /** Its keys, where they need not be asked for. */
  readonly keys?: JSONWebKeySet;
  /** Default: all of `ASYMMETRIC_ALGORITHMS`. */
  readonly algorithms?: readonly AsymmetricAlgorithm[] | undefined;
  /** By which clocks may differ; default 30 s. */
  readonly clockSkewMs?: number | undefined;
}

const DEFAULT_SKEW_MS = 30_000;
const FETCH_TIMEOUT_MS = 5_000;
/** A key that nobody knows makes us ask again no sooner. */
const COOLDOWN_MS = 30_000;
const KEYS_KEPT_MS = 10 * 60_000;
/** After a failure the issuer is left alone for so long. */
const RETRY_MS = 5_000;
const REMEMBERED_MS = 60_000;
const MOST_REMEMBERED = 10_000;
const MOST_DISCOVERY_BYTES = 256 * 1024;
/** RFC 9068 and what ID tokens have; others are for other purposes (`logout+jwt`, `secevent+jwt`). */
const TYPES = [undefined, 'jwt', 'at+jwt', 'application/jwt', 'application/at+jwt'];

interface Verified {
  readonly caller: Caller;
  /** Unix ms, with what clocks may differ by. */
  readonly endsMs: number;
}

export class BearerTokens {
  readonly #byIssuer: ReadonlyMap<string, Verifier>;
  readonly #verified: VerifiedTokens<Verified>;
  readonly #clock: ServiceClock;

  constructor(issuers: readonly TokenIssuer[], clock: ServiceClock) {
    this.#byIssuer = new Map(issuers.map((each) => [each.issuer, new Verifier(each, clock)]));
    this.#verified = new VerifiedTokens(MOST_REMEMBERED, () => clock.steadyMs());
    this.#clock = clock;
  }

  /**
   * Whom the token is about. At once for one that was checked within the last minute.
   *
   * @throws UNAUTHENTICATED; FORBIDDEN: it names no tenant; AUTHENTICATION_UNAVAILABLE: the issuer's keys cannot be had
   */
  authenticate(token: string): Caller | Promise<Caller> {
    const digest = this.#verified.digest(token);
    const known = this.#verified.get(digest);
    if (known !== undefined && this.#clock.nowMs() < known.endsMs) return known.caller;
    return this.#verify(token, digest);
  }

  async #verify(token: string, digest: string): Promise<Caller> {
    const verifier = this.#byIssuer.get(claimedIssuer(token));
    if (verifier === undefined) throw unauthenticated('nobody who is trusted has issued the token');
    const verified = await verifier.verify(token);
    this.#verified.set(digest, verified, REMEMBERED_MS);
    return verified.caller;
  }
}

/** Only to find out whose keys to check it by. */
function claimedIssuer(token: string): string {
  try {
    const { iss } = decodeJwt(token);
    return typeof iss === 'string' ? iss : '';
  } catch {
    throw unauthenticated('the token is neither an API key nor a JWT');
  }
}

class Verifier {
  readonly #issuer: TokenIssuer;
  readonly #clock: ServiceClock;
  #keys: JWTVerifyGetKey | undefined;
  /** The same, where they are asked for. */
  #remote: RemoteJWKSet | undefined;
  #opening: Promise<JWTVerifyGetKey> | undefined;
  #failedAtMs = Number.NEGATIVE_INFINITY;

  constructor(issuer: TokenIssuer, clock: ServiceClock) {
    this.#issuer = issuer;
    this.#clock = clock;
  }

  async verify(token: string): Promise<Verified> {
    const { issuer, audience, algorithms = ASYMMETRIC_ALGORITHMS } = this.#issuer;
    const skewMs = this.#issuer.clockSkewMs ?? DEFAULT_SKEW_MS;
    const keys = await this.#open();
    let payload: JWTPayload;
    try {
      const verified = await jwtVerify(token, keys, {
        issuer,
        audience: typeof audience === 'string' ? audience : [...audience],
        algorithms: [...algorithms],
        clockTolerance: skewMs / 1000,
        currentDate: new Date(this.#clock.nowMs()),
        requiredClaims: ['exp', 'sub'],
      });
      if (!TYPES.includes(verified.protectedHeader.typ?.toLowerCase())) {
        throw unauthenticated('the token is not for access');
      }
      payload = verified.payload;
    } catch (error) {
      throw this.#refusal(error);
    }
    const endsMs = (payload.exp ?? 0) * 1000 + skewMs;
    return { caller: callerOfClaims(payload, this.#issuer), endsMs };
  }

  async #open(): Promise<JWTVerifyGetKey> {
    const isLeftAlone = this.#clock.steadyMs() - this.#failedAtMs < RETRY_MS;
    if (isLeftAlone && this.#remote?.fresh !== true) throw this.#unavailable();
    if (this.#keys !== undefined) return this.#keys;
    this.#opening ??= this.#discover().finally(() => {
      this.#opening = undefined;
    });
    this.#keys = await this.#opening;
    return this.#keys;
  }

  async #discover(): Promise<JWTVerifyGetKey> {
    const { keys, issuer, jwksUri } = this.#issuer;
    if (keys !== undefined) return createLocalJWKSet(keys);
    try {
      this.#remote = createRemoteJWKSet(new URL(jwksUri ?? (await discoverKeys(issuer))), {
        timeoutDuration: FETCH_TIMEOUT_MS,
        cooldownDuration: COOLDOWN_MS,
        cacheMaxAge: KEYS_KEPT_MS,
      });
      return this.#remote;
    } catch (cause) {
      this.#failedAtMs = this.#clock.steadyMs();
      throw this.#unavailable(cause);
    }
  }

  /** What jose says of the token is told by kind; whatever else went wrong, its keys could not be had. */
  #refusal(error: unknown): CaissonError {
    if (error instanceof CaissonError) return error;
    if (error instanceof errors.JWTExpired) return unauthenticated('the token has expired');
    if (error instanceof errors.JWTClaimValidationFailed) {
      return unauthenticated(`the token is not for us, or not yet: ${error.claim}`);
    }
    if (error instanceof errors.JOSEAlgNotAllowed) {
      return unauthenticated('the token is signed in a way that is not taken');
    }
    if (
      error instanceof errors.JWKSNoMatchingKey ||
      error instanceof errors.JWKSMultipleMatchingKeys ||
      error instanceof errors.JWSSignatureVerificationFailed
    ) {
      return unauthenticated('the token is not signed by a key of its issuer');
    }
    if (
      error instanceof errors.JWTInvalid ||
      error instanceof errors.JWSInvalid ||
      error instanceof errors.JOSENotSupported
    ) {
      return unauthenticated('the token is malformed');
    }
    // Not for a key that nobody knows, or tokens with made-up ones would keep the others out.
    if (this.#remote?.fresh !== true) this.#failedAtMs = this.#clock.steadyMs();
    return this.#unavailable(error);
  }

  #unavailable(cause?: unknown): CaissonError {
    return new CaissonError('AUTHENTICATION_UNAVAILABLE', {
      layer: 'server',
      message: `the keys of ${this.#issuer.issuer} cannot be had: nobody is let in by its tokens`,
      hint: 'look at the identity provider, and at auth.oidc of the configuration',
      details: { issuer: this.#issuer.issuer, retryAfterSeconds: RETRY_MS / 1000 },
      cause,
    });
  }
}

/** OpenID Connect Discovery 1.0, section 4: the document must name the issuer that it was asked for. */
async function discoverKeys(issuer: string): Promise<string> {
  const response = await fetch(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`, {
    redirect: 'error',
    signal: AbortSignal.timeout(FETCH_TIMEOUT_MS),
    headers: { accept: 'application/json' },
  });
  if (!response.ok) throw new Error(`its discovery document came with status ${response.status}`);
  const document = JSON.parse(await discoveryText(response)) as Readonly<Record<string, unknown>>;
  const { jwks_uri: uri, issuer: named } = document;
  if (named !== issuer || typeof uri !== 'string') {
    throw new Error('its discovery document is of another issuer, or names no keys');
  }
  if (issuer.startsWith('https:') && !uri.startsWith('https:')) {
    throw new Error('its discovery document names keys that are not behind TLS');
  }
  return uri;
}

async function discoveryText(response: Response): Promise<string> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of response.body ?? []) {
    bytes += part.length;
    if (bytes > MOST_DISCOVERY_BYTES) throw new Error('its discovery document is too large');
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

function unauthenticated(message: string): CaissonError {
  return new CaissonError('UNAUTHENTICATED', {
    layer: 'server',
    message,
    hint: 'get a new token from the identity provider',
  });
}
