/** A name server that answers each query as the test says, over UDP and TCP on one loopback port. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { decode, encode, type Packet } from 'dns-packet';

export interface Query {
  readonly packet: Packet;
  readonly bytes: Buffer;
  readonly name: string;
  readonly over: 'udp' | 'tcp';
  /** Of who asks. */
  readonly port: number;
  /** May be called more than once, and later. */
  readonly send: (bytes: Uint8Array) => void;
  /** A well-formed answer, or with what is given in its place. */
  readonly reply: (addresses: readonly string[], more?: Partial<Packet>) => void;
}

export interface ScriptedNameServer extends AsyncDisposable {
  readonly address: string;
  readonly port: number;
  /** `udp name`, in order. */
  readonly asked: string[];
}

export async function openScriptedNameServer(
  script: (query: Query) => void,
  { tcp = true, port: wanted = 0, host = '127.0.0.1' } = {},
): Promise<ScriptedNameServer> {
  const asked: string[] = [];
  const take = (
    bytes: Buffer,
    over: 'udp' | 'tcp',
    from: number,
    send: (bytes: Uint8Array) => void,
  ): void => {
    const packet = decode(bytes);
    const [question] = packet.questions ?? [];
    const name = question?.name ?? '';
    asked.push(`${over} ${name}`);
    script({
      packet,
      bytes,
      name,
      over,
      port: from,
      send,
      reply: (addresses, more = {}) => send(encode(answerTo(packet, addresses, more))),
    });
  };
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      take(chunk.subarray(2), 'tcp', socket.remotePort ?? 0, (bytes) => {
        const length = Buffer.alloc(2);
        length.writeUInt16BE(bytes.length);
        // In pieces, as a network may deliver it.
        for (const byte of length) socket.write(Buffer.of(byte));
        socket.write(bytes);
      });
    });
  });
  server.listen(wanted, host);
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const socket = createSocket('udp4');
  socket.on('message', (bytes, from) => {
    take(bytes, 'udp', from.port, (answer) => {
      try {
        socket.send(answer, from.port, from.address);
      } catch {
        // The test has ended.
      }
    });
  });
  socket.bind(port, host);
  await once(socket, 'listening');
  if (!tcp) server.close();
  return {
    address: `${host}:${port}`,
    port,
    asked,
    [Symbol.asyncDispose]: async () => {
      socket.close();
      if (tcp) server.close();
    },
  };
}

function answerTo(query: Packet, addresses: readonly string[], more: Partial<Packet>): Packet {
  const [question] = query.questions ?? [];
  return {
    type: 'response',
    id: query.id ?? 0,
    flags: 0x8180,
    questions: query.questions ?? [],
    answers: addresses.map((data) => ({
      name: question?.name ?? '',
      type: data.includes(':') ? ('AAAA' as const) : ('A' as const),
      ttl: 60,
      data,
    })),
    ...more,
  };
}
