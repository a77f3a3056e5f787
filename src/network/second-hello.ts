/**
 * Holds a client to the name of its first hello.
 *
 * A server that cannot use the keys offered asks for another hello (RFC 8446 section 4.1.4), and OpenSSL's goes by the
 * name in that one. It must name the same server; nobody but a guest that wants elsewhere sends another.
 */
import { type ClientHello, ClientHelloReader } from './client-hello.ts';

/** `done`: no second hello can come any more. */
export type SecondHelloState = 'more' | 'done' | { readonly reason: string };

const HEADER_BYTES = 5;
/** As far as a hello shows in a record: the header, type, length and version. */
const SEEN_BYTES = HEADER_BYTES + 6;
const RECORD_CHANGE_CIPHER = 20;
const RECORD_ALERT = 21;
const RECORD_HANDSHAKE = 22;
const RECORD_DATA = 23;
/** Early data that servers pass over, and more than any does. */
const PASSED_MAX_BYTES = 4 * 1024 * 1024;

export class SecondHello {
  readonly #first: ClientHello;
  #reader: ClientHelloReader | undefined;
  #pending: Buffer = Buffer.alloc(0);
  /** Of the present record, to be passed over. */
  #left = 0;
  #passed = 0;

  constructor(first: ClientHello) {
    this.#first = first;
  }

  /** Takes what follows the first hello, in pieces of any size. */
  push(chunk: Buffer): SecondHelloState {
    if (this.#reader !== undefined) return this.#read(chunk);
    let bytes = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    for (;;) {
      const skipped = Math.min(this.#left, bytes.length);
      this.#left -= skipped;
      this.#passed += skipped;
      bytes = bytes.subarray(skipped);
      this.#pending = bytes;
      if (this.#passed > PASSED_MAX_BYTES) return 'done';
      if (bytes.length < HEADER_BYTES) return 'more';
      const length = bytes.readUInt16BE(3);
      if (bytes[0] === RECORD_HANDSHAKE) return this.#handshake(bytes, length);
      if (!this.#mayPrecede(bytes[0])) return 'done';
      this.#left = HEADER_BYTES + length;
    }
  }

  #mayPrecede(type: number | undefined): boolean {
    return (
      type === RECORD_CHANGE_CIPHER ||
      type === RECORD_ALERT ||
      (type === RECORD_DATA && this.#first.early === true)
    );
  }

  /** What is encrypted (the end of a TLS 1.2 handshake) may begin with any byte, and is whole in one record. */
  #handshake(bytes: Buffer, length: number): SecondHelloState {
    const seen = Math.min(SEEN_BYTES, HEADER_BYTES + length);
    if (bytes.length < seen) return 'more';
    if (length > 0 && bytes[5] !== 1) return 'done';
    if (seen === SEEN_BYTES && (bytes[6] !== 0 || bytes[9] !== 3)) return 'done';
    this.#reader = new ClientHelloReader();
    this.#pending = Buffer.alloc(0);
    return this.#read(bytes);
  }

  #read(bytes: Buffer): SecondHelloState {
    const state = this.#reader?.push(bytes) ?? { kind: 'more' };
    if (state.kind === 'more') return 'more';
    if (state.kind === 'refused') return { reason: `in its second hello ${state.reason}` };
    const { serverName, encrypted } = state.hello;
    if (serverName?.toLowerCase() === this.#first.serverName?.toLowerCase() && !encrypted) {
      return 'done';
    }
    return { reason: 'its second TLS hello names another server than its first' };
  }
}
