/**
 * Connections into sandboxes: asked for with DIAL, made by the sandbox's init in its network namespace, handed over as
 * raw sockets (`network-handles.ts`), which this process passes on without reading. Datagram sockets at an address in there
 * come the same way.
 */
import { getSystemErrorName } from 'node:util';
import { CaissonError } from '../core/error.ts';
import { parseAddress } from '../policy/address.ts';
import type { RawHandle } from './network-handles.ts';
import { FieldWriter, malformed, readFields, readI32, readU32 } from './protocol/fields.ts';
import { FRAME_HEADER, finishFrame, frameType } from './protocol/frame.ts';

/**
 * Connects to a TCP port of a sandbox's loopback, 127.0.0.1 or else ::1. The socket is the callee's to close; where the
 * guest listens and does not accept, it may still be connecting.
 *
 * With an address: a datagram socket that is bound to it and to the port inside, which the guest may send to from then on.
 *
 * @throws NETWORK_FAILED with `details.errno`, such as `ECONNREFUSED`; what ended the sandbox
 */
export type Dial = (port: number, address?: string) => Promise<RawHandle>;

/** Gets the way into a sandbox as soon as it was asked for. */
export type OnDial = (dial: Dial) => void;

/** The launcher answers at once, unless the sandbox stands still. */
const TIMEOUT_MS = 30_000;

interface Pending {
  readonly id: number;
  readonly port: number;
  readonly resolve: (handle: RawHandle) => void;
  readonly reject: (error: unknown) => void;
  readonly timer: NodeJS.Timeout;
}

export class Dials {
  readonly #send: (frame: Buffer) => void;
  readonly #pending = new Map<number, Pending>();
  #lastRequest = 0;

  constructor(send: (frame: Buffer) => void) {
    this.#send = send;
  }

  /** @param id of a sandbox that stays, or of the one job of another */
  dial(id: number, port: number, address?: string): Promise<RawHandle> {
    const { promise, resolve, reject } = Promise.withResolvers<RawHandle>();
    this.#lastRequest = (this.#lastRequest % 0xffff_ffff) + 1;
    const request = this.#lastRequest;
    const frame = encodeDial(id, request, port, address);
    const timer = setTimeout(() => this.#fail(request, 'ETIMEDOUT'), TIMEOUT_MS).unref();
    this.#pending.set(request, { id, port, resolve, reject, timer });
    this.#send(frame);
    return promise;
  }

  /** DIALED: why there is no connection. */
  answered(body: Buffer): void {
    const { request, errno } = decodeDialed(body);
    this.#fail(request, getSystemErrorName(-errno));
  }

  /** @returns Whether the handle was one of ours; then it is not the caller's any more. */
  take(message: unknown, handle: RawHandle): boolean {
    const label = message as { part?: unknown; dial?: unknown } | null;
    if (label?.part !== 'dial') return false;
    const pending = this.#remove(Number(label.dial));
    if (pending === undefined) handle.close();
    else pending.resolve(handle);
    return true;
  }

  /** What is under way for it fails: it has ended. */
  forget(id: number): void {
    for (const [request, pending] of this.#pending) {
      if (pending.id === id) this.#fail(request, 'ENOENT');
    }
  }

  clear(error: unknown): void {
    for (const request of [...this.#pending.keys()]) this.#remove(request)?.reject(error);
  }

  #fail(request: number, errno: string): void {
    const pending = this.#remove(request);
    pending?.reject(
      new CaissonError('NETWORK_FAILED', {
        layer: 'launcher',
        message: `port ${pending.port} of the sandbox could not be reached (${errno})`,
        details: { port: pending.port, errno },
      }),
    );
  }

  #remove(request: number): Pending | undefined {
    const pending = this.#pending.get(request);
    this.#pending.delete(request);
    clearTimeout(pending?.timer);
    return pending;
  }
}

export function encodeDial(id: number, request: number, port: number, address?: string): Buffer {
  const writer = new FieldWriter(FRAME_HEADER, 'INTERNAL', 64);
  writer.u32(1, request, 'request');
  writer.u32(2, port, 'port');
  if (address !== undefined) writer.bytes(3, addressBytes(address));
  return finishFrame(writer, frameType.DIAL, id);
}

export function decodeDialed(body: Buffer): { request: number; errno: number } {
  const out = { request: 0, errno: 0 };
  for (const field of readFields(body)) {
    if (field.tag === 1) out.request = readU32(field);
    else if (field.tag === 2) out.errno = readI32(field);
    else throw malformed(`DIALED has an unknown field ${field.tag}`);
  }
  return out;
}

/** IPv4 as ::ffff:a.b.c.d. */
function addressBytes(text: string): Buffer {
  const address = parseAddress(text);
  if (address === undefined) throw new TypeError(`${JSON.stringify(text)} is no address`);
  const bits = address.family === 4 ? (0xffffn << 32n) | address.bits : address.bits;
  return Buffer.from(bits.toString(16).padStart(32, '0'), 'hex');
}
