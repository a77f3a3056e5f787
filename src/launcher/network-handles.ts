/**
 * The sockets of a filtered network on their way: from the launcher to us, from us to the process that decides.
 *
 * What travels is Node's raw handle (the object below a `net.Server` or `dgram.Socket`), because a process that only passes
 * it on must not begin to accept or to read. Whoever serves it makes the real thing of it:
 *
 * - in the process that passes on: {@link forwardNetwork}`(child, id, handles)` with a child that has an IPC channel;
 * - in that child: {@link receiveNetworks}`(process, (id, handles) => …)`, then {@link listenOn}`(server, handles.tcp)`,
 *   {@link listenOn}`(dnsServer, handles.dnsTcp)` and {@link bindTo}`(dgram.createSocket('udp4'), handles.dnsUdp)`.
 *
 * While any process holds a socket, connections wait in its backlog; once every process has closed it, they are refused.
 */
import type { Socket as DatagramSocket } from 'node:dgram';
import { type Server, Socket } from 'node:net';

/** Connections that wait to be accepted; what the launcher has given the socket already (listen(2) takes the last word). */
const BACKLOG = 1024;

/** An open socket below Node's own objects. Whoever gets it closes it, or makes something of it that is closed. */
export interface RawHandle {
  close(done?: () => void): void;
}

export interface NetworkHandles {
  /**
   * Listens for every TCP connection of the guest; `socket.localAddress` and `localPort` of what it accepts are where the
   * guest wanted to go (IPv4 as `::ffff:a.b.c.d`).
   */
  readonly tcp: RawHandle;
  /** Bound to 127.0.0.1:53 inside. */
  readonly dnsUdp: RawHandle;
  /** Listens at 127.0.0.1:53 inside. */
  readonly dnsTcp: RawHandle;
}

/**
 * Gets the sockets of the network of exec or sandbox `id`. Called at most once, at any time after the sandbox was taken; the
 * guest may have connected before. The handles are the callee's to close.
 */
export type OnNetwork = (id: number, handles: NetworkHandles) => void;

const partNames = ['tcp', 'dnsUdp', 'dnsTcp'] as const;
type Part = (typeof partNames)[number];

/** One message carries one handle; a network is whole with its third. */
class Collection {
  readonly #parts = new Map<number, Partial<Record<Part, RawHandle>>>();

  /** The whole network, when this handle completes it. */
  add(id: number, part: Part, handle: RawHandle): NetworkHandles | undefined {
    const parts = this.#parts.get(id) ?? {};
    parts[part]?.close();
    parts[part] = handle;
    const { tcp, dnsUdp, dnsTcp } = parts;
    if (tcp === undefined || dnsUdp === undefined || dnsTcp === undefined) {
      this.#parts.set(id, parts);
      return undefined;
    }
    this.#parts.delete(id);
    return { tcp, dnsUdp, dnsTcp };
  }

  drop(id: number): void {
    const parts = this.#parts.get(id);
    if (parts === undefined) return;
    this.#parts.delete(id);
    for (const handle of Object.values(parts)) handle.close();
  }

  clear(): void {
    for (const id of [...this.#parts.keys()]) this.drop(id);
  }
}

/** What a launcher hands over, by id. What nobody expects is closed, and the guest's connections are refused. */
export class NetworkDelivery {
  readonly #expected = new Map<number, OnNetwork>();
  readonly #collection = new Collection();

  expect(id: number, onNetwork: OnNetwork | undefined): void {
    if (onNetwork !== undefined) this.#expected.set(id, onNetwork);
  }

  forget(id: number): void {
    this.#expected.delete(id);
    this.#collection.drop(id);
  }

  clear(): void {
    this.#expected.clear();
    this.#collection.clear();
  }

  take(message: unknown, handle: unknown): void {
    if (!isRawHandle(handle)) return;
    const onNetwork = isLabel(message) ? this.#expected.get(message.id) : undefined;
    if (!isLabel(message) || onNetwork === undefined) {
      handle.close();
      return;
    }
    const whole = this.#collection.add(message.id, message.part, handle);
    if (whole === undefined) return;
    this.#expected.delete(message.id);
    onNetwork(message.id, whole);
  }
}

/** The side of an IPC channel that passes handles on: a `ChildProcess`. */
export interface HandleSender {
  send(message: unknown, handle: never, done: (error: Error | null) => void): boolean;
}

/** The side that gets them: `process` in a child with an IPC channel. */
export interface HandleReceiver {
  on(event: 'message', listener: (message: unknown, handle: unknown) => void): unknown;
}

/**
 * Passes a network on to a child process and closes what we hold of it. `id` need only be unique in that child.
 *
 * @throws what `send` said, when the channel has closed; by then everything is closed here
 */
export async function forwardNetwork(
  child: HandleSender,
  id: number,
  handles: NetworkHandles,
): Promise<void> {
  const sent = partNames.map(
    (part) =>
      new Promise<void>((resolve, reject) => {
        const handle = handles[part];
        const done = (error: Error | null): void => {
          handle.close();
          if (error === null) resolve();
          else reject(error);
        };
        try {
          child.send({ network: { id, part } }, handle as never, done);
        } catch (error) {
          done(error instanceof Error ? error : new Error(String(error)));
        }
      }),
  );
  const failed = (await Promise.allSettled(sent)).find(({ status }) => status === 'rejected');
  if (failed !== undefined) throw (failed as PromiseRejectedResult).reason;
}

/** In the child: networks as they come whole. Other messages are left to other listeners. */
export function receiveNetworks(receiver: HandleReceiver, onNetwork: OnNetwork): void {
  const collection = new Collection();
  receiver.on('message', (message, handle) => {
    const label = (message as { network?: unknown } | null)?.network;
    if (!isRawHandle(handle) || !isLabel(label)) return;
    const whole = collection.add(label.id, label.part, handle);
    if (whole !== undefined) onNetwork(label.id, whole);
  });
}

/** Lets a server accept on a raw handle, which closes with it. */
export function listenOn(server: Server, handle: RawHandle): Server {
  return server.listen(handle as never, BACKLOG);
}

/** A connection of a raw handle, which closes with it. */
export function socketOf(handle: RawHandle): Socket {
  // An option that Node's own modules use, and its types do not name.
  return new Socket({ handle, readable: true, writable: true } as object).setNoDelay(true);
}

/** Lets a datagram socket (`udp4`) read from a raw handle, which closes with it. */
export function bindTo(socket: DatagramSocket, handle: RawHandle): DatagramSocket {
  // A handle where a port would be: undocumented, and what Node's own cluster module does.
  return socket.bind(handle as never);
}

export function isRawHandle(value: unknown): value is RawHandle {
  return typeof (value as RawHandle | null | undefined)?.close === 'function';
}

function isLabel(value: unknown): value is { id: number; part: Part } {
  const label = value as { id?: unknown; part?: unknown } | null;
  return typeof label?.id === 'number' && partNames.includes(label.part as Part);
}
