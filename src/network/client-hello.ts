/**
 * Reads the first flight of a TLS client, as far as it says where the connection is meant to go.
 *
 * TLS 1.0 to 1.3: records RFC 8446 section 5.1, ClientHello section 4.1.2, server_name RFC 6066 section 3,
 * ALPN RFC 7301, encrypted_client_hello RFC 9849. Written by a hostile guest: everything is bounded and checked, and
 * what two readers could take differently is refused.
 */

export interface ClientHello {
  /** As it was sent, ASCII; absent when the client named no server. */
  readonly serverName?: string;
  /** The real name may be inside, encrypted: also where it is only there as grease, which looks the same by design. */
  readonly encrypted: boolean;
  readonly protocols: readonly string[];
  /** Application data may follow at once (0-RTT). */
  readonly early?: true;
}

export type ClientHelloState =
  | { readonly kind: 'more' }
  | { readonly kind: 'hello'; readonly hello: ClientHello }
  | { readonly kind: 'refused'; readonly reason: string };

/** Largest first flight, records and all: post-quantum key shares and padding take less than 4 KiB. */
export const CLIENT_HELLO_MAX_BYTES = 64 * 1024;

/** Extensions, and protocols of ALPN: programs send some twenty and some two; thousands would cost milliseconds. */
const LIST_MAX = 256;

const RECORD_HANDSHAKE = 22;
/** change_cipher_spec to tls12_cid (IANA, TLS ContentType). */
const RECORD_FIRST = 20;
const RECORD_LAST = 25;
const RECORD_HEADER_BYTES = 5;
const RECORD_MAX_BYTES = 16384;
const HANDSHAKE_CLIENT_HELLO = 1;
const HANDSHAKE_HEADER_BYTES = 4;

const EXTENSION_SERVER_NAME = 0;
const EXTENSION_ALPN = 16;
const EXTENSION_EARLY_DATA = 42;
/** encrypted_client_hello, and the drafts that servers still answer: 0xfe08 to 0xfe0d, and 0xffce (ESNI). */
const EXTENSIONS_ENCRYPTED = new Set([0xfe08, 0xfe09, 0xfe0a, 0xfe0b, 0xfe0c, 0xfe0d, 0xffce]);

const MORE: ClientHelloState = { kind: 'more' };

/**
 * Whether these first bytes can only be those of TLS: a record of version 3.x. One of another type than a handshake's
 * is refused then: some servers pass over a warning that comes before the hello.
 */
export function looksLikeTls([type = 0, major]: Uint8Array): boolean {
  return RECORD_FIRST <= type && type <= RECORD_LAST && (major === undefined || major === 3);
}

/**
 * Takes what the client sends, in pieces of any size, until the hello is whole. Never throws, and its work is linear
 * in the bytes, so that a client that sends single bytes costs no more than one that sends all.
 */
export class ClientHelloReader {
  /** Handshake bytes, without the records' headers. */
  #handshake = new Uint8Array(2048);
  #length = 0;
  readonly #header = new Uint8Array(RECORD_HEADER_BYTES);
  #headerLength = 0;
  /** Of the present record, still to come. */
  #recordLeft = 0;
  #taken = 0;
  #state: ClientHelloState = MORE;

  /** Of the records that the hello is in, headers and all, once it is whole. */
  get length(): number {
    return this.#taken;
  }

  push(bytes: Uint8Array): ClientHelloState {
    let at = 0;
    while (at < bytes.length && this.#state.kind === 'more') {
      at += this.#recordLeft === 0 ? this.#takeHeader(bytes, at) : this.#takeFragment(bytes, at);
    }
    return this.#state;
  }

  #takeHeader(bytes: Uint8Array, at: number): number {
    const count = Math.min(RECORD_HEADER_BYTES - this.#headerLength, bytes.length - at);
    this.#header.set(bytes.subarray(at, at + count), this.#headerLength);
    this.#headerLength += count;
    const [type = 0, major = 3, , high = 0, low = 0] = this.#header;
    if (type !== RECORD_HANDSHAKE) this.#refuse('it begins with no TLS handshake record');
    else if (this.#headerLength >= 2 && major !== 3) this.#refuse('its TLS version is unknown');
    if (this.#headerLength === RECORD_HEADER_BYTES) {
      this.#headerLength = 0;
      this.#recordLeft = high * 256 + low;
      this.#taken += RECORD_HEADER_BYTES + this.#recordLeft;
      // An empty handshake fragment is forbidden; endless ones would cost time for nothing.
      if (this.#recordLeft === 0) this.#refuse('a TLS record is empty');
      else if (this.#recordLeft > RECORD_MAX_BYTES) this.#refuse('a TLS record is too long');
      else if (this.#taken > CLIENT_HELLO_MAX_BYTES) this.#refuse('its TLS hello is over 64 KiB');
    }
    return count;
  }

  #takeFragment(bytes: Uint8Array, at: number): number {
    const count = Math.min(this.#recordLeft, bytes.length - at);
    this.#grow(this.#length + count);
    this.#handshake.set(bytes.subarray(at, at + count), this.#length);
    this.#length += count;
    this.#recordLeft -= count;
    this.#look();
    return count;
  }

  #look(): void {
    const [type, high = 0, middle = 0, low = 0] = this.#handshake;
    if (type !== HANDSHAKE_CLIENT_HELLO) {
      this.#refuse('its first TLS message is no ClientHello');
      return;
    }
    if (this.#length < HANDSHAKE_HEADER_BYTES) return;
    const end = HANDSHAKE_HEADER_BYTES + high * 65536 + middle * 256 + low;
    if (end > CLIENT_HELLO_MAX_BYTES) this.#refuse('its TLS hello is over 64 KiB');
    else if (this.#length > end) this.#refuse('more than a ClientHello is in its first record');
    else if (this.#length === end && this.#recordLeft > 0)
      this.#refuse('more than a ClientHello is in its first record');
    else if (this.#length === end)
      this.#state = parse(this.#handshake.subarray(HANDSHAKE_HEADER_BYTES, end));
  }

  #grow(length: number): void {
    if (length <= this.#handshake.length) return;
    const grown = new Uint8Array(
      Math.min(CLIENT_HELLO_MAX_BYTES, Math.max(length, 2 * this.#handshake.length)),
    );
    grown.set(this.#handshake.subarray(0, this.#length));
    this.#handshake = grown;
  }

  #refuse(reason: string): void {
    if (this.#state.kind === 'more') this.#state = { kind: 'refused', reason };
  }
}

/** Thrown inside this file alone. */
class Malformed extends Error {}

/** Takes fields off the front of some bytes; never reads beyond them. */
class Fields {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isEmpty(): boolean {
    return this.#at === this.#bytes.length;
  }

  take(count: number): Uint8Array {
    if (count > this.#bytes.length - this.#at) throw new Malformed('its TLS hello is cut short');
    this.#at += count;
    return this.#bytes.subarray(this.#at - count, this.#at);
  }

  number(width: 1 | 2): number {
    return this.take(width).reduce((value, byte) => value * 256 + byte, 0);
  }

  vector(width: 1 | 2, least: number, most: number): Fields {
    const length = this.number(width);
    if (length < least || length > most) throw new Malformed('a length in its TLS hello is wrong');
    return new Fields(this.take(length));
  }

  rest(): Uint8Array {
    return this.take(this.#bytes.length - this.#at);
  }

  end(): void {
    if (!this.isEmpty) throw new Malformed('its TLS hello holds bytes that belong to nothing');
  }
}

function parse(body: Uint8Array): ClientHelloState {
  try {
    return { kind: 'hello', hello: parseBody(new Fields(body)) };
  } catch (error) {
    if (error instanceof Malformed) return { kind: 'refused', reason: error.message };
    throw error;
  }
}

function parseBody(body: Fields): ClientHello {
  if (body.number(1) !== 3) throw new Malformed('its TLS version is unknown');
  body.take(1 + 32);
  body.vector(1, 0, 32);
  const suites = body.vector(2, 2, 65534).rest();
  if (suites.length % 2 !== 0) throw new Malformed('a length in its TLS hello is wrong');
  body.vector(1, 1, 255);
  if (body.isEmpty) return { encrypted: false, protocols: [] };
  const extensions = body.vector(2, 0, 65535);
  body.end();
  return parseExtensions(extensions);
}

function parseExtensions(extensions: Fields): ClientHello {
  const seen = new Set<number>();
  let serverName: string | undefined;
  let protocols: string[] = [];
  while (!extensions.isEmpty) {
    const type = extensions.number(2);
    const data = extensions.vector(2, 0, 65535);
    // Two of a kind: one reader takes the first, another the last.
    if (seen.has(type)) throw new Malformed('its TLS hello has an extension twice');
    seen.add(type);
    if (seen.size > LIST_MAX) throw new Malformed('its TLS hello has too many extensions');
    if (type === EXTENSION_SERVER_NAME) serverName = parseServerName(data);
    else if (type === EXTENSION_ALPN) protocols = parseProtocols(data);
  }
  return {
    ...(serverName === undefined ? {} : { serverName }),
    encrypted: EXTENSIONS_ENCRYPTED.values().some((type) => seen.has(type)),
    protocols,
    ...(seen.has(EXTENSION_EARLY_DATA) ? { early: true } : {}),
  };
}

function parseServerName(data: Fields): string {
  const list = data.vector(2, 1, 65535);
  data.end();
  if (list.number(1) !== 0) throw new Malformed('its TLS server name is of an unknown type');
  const name = list.vector(2, 1, 255).rest();
  if (!list.isEmpty) throw new Malformed('its TLS hello names two servers');
  return ascii(name, 'its TLS server name is not plain ASCII');
}

function parseProtocols(data: Fields): string[] {
  const list = data.vector(2, 2, 65535);
  data.end();
  const protocols: string[] = [];
  while (!list.isEmpty) {
    protocols.push(Buffer.from(list.vector(1, 1, 255).rest()).toString('latin1'));
    if (protocols.length > LIST_MAX) throw new Malformed('its TLS hello has too many protocols');
  }
  return protocols;
}

function ascii(bytes: Uint8Array, otherwise: string): string {
  if (bytes.some((byte) => byte <= 0x20 || byte >= 0x7f)) throw new Malformed(otherwise);
  return String.fromCharCode(...bytes);
}
