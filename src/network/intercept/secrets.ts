/**
 * Secrets that the guest never has: it holds a placeholder, and the proxy puts the value into the headers of requests
 * that go to the secret's own hosts over verified TLS.
 */
import { randomBytes } from 'node:crypto';
import { CaissonError } from '../../core/error.ts';

/** One secret of a sandbox. */
export interface Secret {
  /** Name of the guest's variable. */
  readonly name: string;
  /** What the guest sees; made by {@link makePlaceholder}. */
  readonly placeholder: string;
  /** What the server gets. Wiped by {@link Secrets.close}: give a copy. */
  readonly value: Buffer;
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
  readonly text: string;
  /** Names of the secrets whose value was put in. */
  readonly used: readonly string[];
  /** Names of the secrets whose placeholder is in the text, and which are not for this host. */
  readonly refused: readonly string[];
}

/** Shorter values are not looked for in answers: they would be found in what has nothing to do with them. */
const SHORTEST_ECHO = 8;
/** A header value may hold neither control characters nor, in HTTP/1.1, anything beyond Latin-1. */
const HEADER_TEXT = /^[\x20-\x7e\xa0-\xff]+$/;
/** `Basic` and its credentials (RFC 7617). */
const BASIC = /^(basic +)([A-Za-z0-9+/]+={0,2})$/i;

export class Secrets {
  readonly #secrets: readonly Secret[];
  #closed = false;

  /** @throws CaissonError `REQUEST_INVALID` for a value that no header can carry; the value is not in the error */
  constructor(secrets: readonly Secret[]) {
    for (const { name, value } of secrets) {
      if (HEADER_TEXT.test(value.toString('latin1'))) continue;
      throw new CaissonError('REQUEST_INVALID', {
        layer: 'network',
        message: `the value of the secret ${name} is empty, or holds what no header can carry`,
        hint: 'give it without a line break at its end',
        details: { secret: name },
      });
    }
    this.#secrets = secrets;
  }

  /** Whether some secret is sent to this name. */
  concern(host: string): boolean {
    return this.#secrets.some(({ hosts }) => hosts.some((pattern) => covers(pattern, host)));
  }

  /** Whether a secret is sent to this name. */
  isFor(secret: string, host: string): boolean {
    const found = this.#secrets.find(({ name }) => name === secret);
    return found?.hosts.some((pattern) => covers(pattern, host)) ?? false;
  }

  /** Puts values into the value of one request header, as far as they are for this host; undefined: for none. */
  intoHeader(value: string, host: string | undefined): Brokered {
    const basic = BASIC.exec(value);
    if (basic === null) return this.#into(value, host);
    const credentials = Buffer.from(basic[2] ?? '', 'base64').toString('latin1');
    const brokered = this.#into(credentials, host);
    if (brokered.used.length === 0) return { ...brokered, text: value };
    const encoded = Buffer.from(brokered.text, 'latin1').toString('base64');
    return { ...brokered, text: `${basic[1]}${encoded}` };
  }

  /** Names of the secrets whose placeholder stands in a text that is not changed: a URL, a header in clear text. */
  mentioned(text: string): string[] {
    if (!text.includes(PLACEHOLDER_PREFIX)) return [];
    return this.#secrets
      .filter(({ placeholder }) => text.includes(placeholder))
      .map(({ name }) => name);
  }

  /** Takes values out of a response header again: as they are, in Basic credentials, and percent-encoded. */
  outOfHeader(value: string): string {
    if (this.#closed) return value;
    const secrets = this.#secrets.filter((secret) => secret.value.length >= SHORTEST_ECHO);
    let text = value;
    for (const secret of secrets) {
      const plain = secret.value.toString('latin1');
      text = text.replaceAll(plain, secret.placeholder);
      const encoded = encodeURIComponent(plain);
      if (encoded !== plain) text = text.replaceAll(encoded, secret.placeholder);
    }
    const basic = BASIC.exec(text);
    if (basic === null) return text;
    const credentials = Buffer.from(basic[2] ?? '', 'base64').toString('latin1');
    const without = secrets.reduce(
      (rest, { value: bytes, placeholder }) =>
        rest.replaceAll(bytes.toString('latin1'), placeholder),
      credentials,
    );
    if (without === credentials) return text;
    return `${basic[1]}${Buffer.from(without, 'latin1').toString('base64')}`;
  }

  /**
   * Overwrites the values. Best effort: a string that was made of one for a header belongs to the engine, which cannot
   * be told to wipe it; it stays in the proxy's memory until that page is used again.
   */
  close(): void {
    this.#closed = true;
    for (const { value } of this.#secrets) value.fill(0);
  }

  #into(value: string, host: string | undefined): Brokered {
    if (this.#closed || !value.includes(PLACEHOLDER_PREFIX)) {
      return { text: value, used: [], refused: [] };
    }
    const used: string[] = [];
    const refused: string[] = [];
    let text = value;
    for (const secret of this.#secrets) {
      if (!value.includes(secret.placeholder)) continue;
      if (host === undefined || !secret.hosts.some((pattern) => covers(pattern, host))) {
        refused.push(secret.name);
        continue;
      }
      // A function: `$&` in a value is a value, not a pattern.
      text = text.replaceAll(secret.placeholder, () => secret.value.toString('latin1'));
      used.push(secret.name);
    }
    return { text, used, refused };
  }
}

function covers(pattern: string, host: string): boolean {
  return pattern.startsWith('*.')
    ? host.endsWith(pattern.slice(1)) && host.length > pattern.length - 1
    : pattern === host;
}
