/**
 * Where a request comes from: the other end of its connection, or, where that is a proxy that the operator trusts, who that
 * proxy says it asks for. Each proxy adds at the right whom it was asked by; what stands left of the first one that is no
 * trusted proxy was written by that one, who can write anything.
 *
 * One header counts, the one that the operator names: a proxy that writes one of the two hands the other on as it came.
 *
 * https://www.rfc-editor.org/rfc/rfc7239, section 8.1
 */
import { parseAddress, parseCidr } from '../../policy/address.ts';
import { plainAddress } from '../../policy/special-address.ts';

export const PROXY_HEADERS = ['x-forwarded-for', 'forwarded'] as const;
/** Stands for whoever asks over a unix socket, which has no address. */
export const UNIX = 'unix';

export interface TrustedProxies {
  /** Addresses, blocks, or `unix`. */
  readonly trustedProxies: readonly string[];
  readonly proxyHeader: (typeof PROXY_HEADERS)[number];
}

interface Seen {
  /** Name, value, name, value: as they came. */
  readonly rawHeaders: readonly string[];
  readonly socket: { readonly remoteAddress?: string | undefined };
}

export class ClientAddresses {
  readonly #header: TrustedProxies['proxyHeader'];
  readonly #trustsSocket: boolean;
  readonly #blocks: readonly NonNullable<ReturnType<typeof parseCidr>>[];

  constructor({ trustedProxies, proxyHeader }: TrustedProxies) {
    this.#header = proxyHeader;
    this.#trustsSocket = trustedProxies.includes(UNIX);
    this.#blocks = trustedProxies.flatMap((text) => parseCidr(text) ?? []);
  }

  /** @returns an address; empty: the other end of a unix socket */
  of({ rawHeaders, socket }: Seen): string {
    let address = socket.remoteAddress ?? '';
    if (!this.#trusts(address)) return address;
    const named = this.#named(rawHeaders);
    for (let next = named.pop(); next !== undefined; next = named.pop()) {
      const plain = addressOf(next);
      // `unknown`, a name that hides it, or nonsense: nearer than this nobody can say.
      if (plain === undefined) return address;
      address = plain;
      if (!this.#trusts(address)) return address;
    }
    return address;
  }

  #trusts(address: string): boolean {
    if (address === '') return this.#trustsSocket;
    const plain = plainAddress(address.replace(/%.*$/, '')) ?? address;
    const parsed = parseAddress(plain);
    if (parsed === undefined) return false;
    const { family, bits } = parsed;
    return this.#blocks.some(
      (block) => block.family === family && block.from <= bits && bits <= block.to,
    );
  }

  /** From left to right, of all lines of the header. */
  #named(rawHeaders: readonly string[]): string[] {
    const lines: string[] = [];
    for (let i = 0; i < rawHeaders.length; i += 2) {
      if (rawHeaders[i]?.toLowerCase() === this.#header) lines.push(rawHeaders[i + 1] ?? '');
    }
    if (lines.length === 0) return [];
    const elements = lines.join(',').split(',');
    return this.#header === 'forwarded' ? elements.map(forOf) : elements;
  }
}

/** RFC 7239, section 4. Half of one, cut at a quoted comma, names nobody: it may be the client's text, as a host is. */
function forOf(element: string): string {
  if (element.includes('\\') || element.split('"').length % 2 === 0) return '';
  const values = element.split(';').flatMap((pair) => {
    const [, name = '', value = ''] = /^\s*([a-z]+)=(.*)$/i.exec(pair) ?? [];
    return name.toLowerCase() === 'for' ? [value.trim()] : [];
  });
  const [value = ''] = values.length === 1 ? values : [];
  return /^"(.*)"$/.exec(value)?.[1] ?? value;
}

/** With a port or without. Undefined for what is none. */
function addressOf(text: string): string | undefined {
  const [, bracketed, dotted, bare] =
    /^\s*(?:\[([0-9a-f:.]+)\](?::\d{1,5})?|(\d[\d.]*)(?::\d{1,5})?|([0-9a-f:.]+))\s*$/i.exec(
      text,
    ) ?? [];
  const found = bracketed ?? dotted ?? bare;
  if (found === undefined || parseAddress(found) === undefined) return undefined;
  return plainAddress(found) ?? found;
}
