/**
 * Secrets that the guest never has: it holds a placeholder, and the proxy puts the value into the headers of requests
 * that go to the secret's own hosts over verified TLS. Here are names, hosts and placeholders; values are with a holder,
 * and fetched for as long as they are written or looked for.
 */
import { randomBytes } from 'node:crypto';
import { CaissonError } from '../../core/error.ts';
import { VAULT_VALUE_MAX } from '../../launcher/vault-channel.ts';
import type { Fields } from './headers.ts';
import { type HeldValue, SealedHead, type SecretHolder, unavailable } from './sealed-head.ts';
import { base64Bytes, percentBytes, replaceBytes, wipe } from './secret-bytes.ts';

/** One secret of a sandbox. {@link HeldValue.name} is the guest's variable. */
export interface Secret extends HeldValue {
  /** What the guest sees; made by {@link makePlaceholder}. */
  readonly placeholder: string;
  /** Names, or `*.name` for proper sub-domains. */
  readonly hosts: readonly string[];
}

export const PLACEHOLDER_PREFIX = 'caisson-secret-';

/** 128 random bits behind a prefix that is easy to recognise; always 47 characters. */
export function makePlaceholder(): string {
  return PLACEHOLDER_PREFIX + randomBytes(16).toString('hex');
}

/** What became of one piece of text. */
export interface Brokered {
  /** With marks of the {@link SealedHead} in the places of values. */
  readonly text: string;
  /** Names of the secrets whose value will be put in. */
  readonly used: readonly string[];
  /** Names of the secrets whose placeholder is in the text, and which are not for this host. */
  readonly refused: readonly string[];
}

/** Shorter values are not looked for in answers: they would be found in what has nothing to do with them. */
const SHORTEST_ECHO = 8;
/** `Basic` and its credentials (RFC 7617). */
const BASIC = /^(basic +)([A-Za-z0-9+/]+={0,2})$/i;
/** Fields that frame the answer; a value that happens to be their number must not break it. */
const FRAMING = new Set(['content-length', 'content-range', 'content-encoding']);

/** @throws CaissonError `REQUEST_INVALID` for a value that no header can carry; the value is not in the error */
export function requireHeaderValue(name: string, value: Uint8Array): void {
  // Neither control characters nor, in HTTP/1.1, anything beyond Latin-1.
  const isText = value.every((byte) => (byte >= 0x20 && byte <= 0x7e) || byte >= 0xa0);
  if (value.length > 0 && value.length <= VAULT_VALUE_MAX && isText) return;
  throw new CaissonError('REQUEST_INVALID', {
    layer: 'network',
    message: `the value of the secret ${name} is empty, longer than ${VAULT_VALUE_MAX} bytes, or holds what no header can carry`,
    hint: 'give it without a line break at its end',
    details: { secret: name },
  });
}

const NOBODY: SecretHolder = {
  take: () => Promise.reject(new Error('no process holds it')),
};

export class Secrets {
  readonly #secrets: readonly Secret[];
  /** As they are now, by the secret's name. */
  #hosts: ReadonlyMap<string, readonly string[]>;
  readonly #holder: SecretHolder;
  /** Those that a server may send back. */
  readonly #sent = new Set<HeldValue>();
  #closed = false;

  constructor(secrets: readonly Secret[], holder: SecretHolder = NOBODY) {
    this.#secrets = secrets;
    this.#hosts = hostsOf(secrets);
    this.#holder = holder;
  }

  /** Other hosts from now on; a secret that is not named has none. */
  update(hosts: readonly Pick<Secret, 'name' | 'hosts'>[]): void {
    this.#hosts = hostsOf(hosts);
  }

  /** Whether some secret is sent to this name. */
  concern(host: string): boolean {
    return this.#secrets.some(({ name }) => this.isFor(name, host));
  }

  /** Whether a secret is sent to this name. */
  isFor(secret: string, host: string): boolean {
    return this.#hosts.get(secret)?.some((pattern) => covers(pattern, host)) ?? false;
  }

  /** Whether a value was sent that an answer may hold. */
  get mayComeBack(): boolean {
    return this.#sent.size > 0;
  }

  /** For the header of one request. */
  newHead(): SealedHead {
    return new SealedHead(this.#holder, (held) => this.#sent.add(held));
  }

  /** Puts marks into the value of one header field, as far as secrets are for this host; undefined: for none. */
  intoHeader(value: string, host: string | undefined, head: SealedHead): Brokered {
    const basic = BASIC.exec(value);
    if (basic === null) {
      return this.#into(value, host, (parts) =>
        parts
          .map((part) => (typeof part === 'string' ? part : head.seal([part], 'plain')))
          .join(''),
      );
    }
    const credentials = Buffer.from(basic[2] ?? '', 'base64').toString('latin1');
    const brokered = this.#into(
      credentials,
      host,
      (parts) => `${basic[1]}${head.seal(parts, 'base64')}`,
    );
    return brokered.used.length === 0 ? { ...brokered, text: value } : brokered;
  }

  /** Names of the secrets whose placeholder stands in a text that is not changed: a URL, a header in clear text. */
  mentioned(text: string): string[] {
    if (!text.includes(PLACEHOLDER_PREFIX)) return [];
    return this.#secrets
      .filter(({ placeholder }) => text.includes(placeholder))
      .map(({ name }) => name);
  }

  /**
   * Takes values out of an answer's header again: as they are, in Basic credentials, and percent-encoded. Only what was
   * sent can come back, and before anything was, nothing is fetched.
   *
   * @throws NETWORK_FAILED where a value that was sent cannot be had any more, so that nobody can look for it
   */
  async outOfHeader(fields: Fields): Promise<Fields> {
    if (this.#sent.size === 0 || fields.length === 0) return fields;
    const values: Sought[] = [];
    try {
      for (const secret of this.#secrets) {
        if (this.#sent.has(secret)) values.push(await this.#sought(secret));
      }
      const long = values.filter(({ plain }) => plain.length >= SHORTEST_ECHO);
      return fields.map(([name, value]) =>
        FRAMING.has(name.toLowerCase()) ? [name, value] : [name, without(value, long)],
      );
    } finally {
      for (const { plain, encoded } of values) wipe(plain, encoded);
    }
  }

  /** From here on placeholders stay what they are. */
  close(): void {
    this.#closed = true;
  }

  async #sought(secret: Secret): Promise<Sought> {
    try {
      const plain = await this.#holder.take(secret.id);
      const encoded = percentBytes(plain, 'scripts');
      return { plain, encoded, placeholder: Buffer.from(secret.placeholder) };
    } catch (cause) {
      throw unavailable(secret.name, cause);
    }
  }

  #into(
    value: string,
    host: string | undefined,
    seal: (parts: readonly (string | Secret)[]) => string,
  ): Brokered {
    if (this.#closed || !value.includes(PLACEHOLDER_PREFIX)) {
      return { text: value, used: [], refused: [] };
    }
    const used: string[] = [];
    const refused: string[] = [];
    let parts: (string | Secret)[] = [value];
    for (const secret of this.#secrets) {
      if (!value.includes(secret.placeholder)) continue;
      if (host === undefined || !this.isFor(secret.name, host)) {
        refused.push(secret.name);
        continue;
      }
      parts = parts.flatMap((part) =>
        typeof part === 'string' ? splitAt(part, secret.placeholder, secret) : [part],
      );
      used.push(secret.name);
    }
    return { text: used.length === 0 ? value : seal(parts), used, refused };
  }
}

function hostsOf(
  secrets: readonly Pick<Secret, 'name' | 'hosts'>[],
): ReadonlyMap<string, readonly string[]> {
  return new Map(secrets.map(({ name, hosts }) => [name, hosts]));
}

interface Sought {
  readonly plain: Buffer;
  readonly encoded: Buffer;
  readonly placeholder: Buffer;
}

function without(value: string, sought: readonly Sought[]): string {
  const bytes = Buffer.from(value, 'latin1');
  let clean: Buffer = bytes;
  for (const { plain, encoded, placeholder } of sought) {
    clean = replaceBytes(replaceBytes(clean, plain, placeholder), encoded, placeholder);
  }
  const text = clean === bytes ? value : clean.toString('latin1');
  const basic = BASIC.exec(text);
  if (basic === null) return text;
  const credentials: Buffer = Buffer.from(basic[2] ?? '', 'base64');
  const cleanCredentials = sought.reduce<Buffer>(
    (rest, { plain, placeholder }) => replaceBytes(rest, plain, placeholder),
    credentials,
  );
  if (cleanCredentials === credentials) return text;
  return `${basic[1]}${base64Bytes(cleanCredentials).toString('latin1')}`;
}

function splitAt(text: string, placeholder: string, secret: Secret): (string | Secret)[] {
  return text
    .split(placeholder)
    .flatMap((piece, i) => (i === 0 ? [piece] : [secret, piece]))
    .filter((piece) => piece !== '');
}

function covers(pattern: string, host: string): boolean {
  return pattern.startsWith('*.')
    ? host.endsWith(pattern.slice(1)) && host.length > pattern.length - 1
    : pattern === host;
}
