/** TLS first flights for tests: real ones of Node's own client, and ones built by hand. */
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { connect } from 'node:tls';

/** What OpenSSL sends first. */
export async function realHello(options: {
  readonly servername?: string;
  readonly ALPNProtocols?: string[];
}): Promise<Buffer> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const client = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...options });
  client.on('error', () => {});
  const [socket] = (await once(server, 'connection')) as [Socket];
  const [bytes] = (await once(socket, 'data')) as [Buffer];
  client.destroy();
  socket.destroy();
  server.close();
  return bytes;
}

export function number(width: 1 | 2 | 3, value: number): Buffer {
  const bytes = Buffer.alloc(width);
  bytes.writeUIntBE(value, 0, width);
  return bytes;
}

export function vector(width: 1 | 2 | 3, ...parts: readonly Uint8Array[]): Buffer {
  const bytes = Buffer.concat(parts);
  return Buffer.concat([number(width, bytes.length), bytes]);
}

export function extension(type: number, data: Uint8Array): Buffer {
  return Buffer.concat([number(2, type), vector(2, data)]);
}

export function serverName(name: string | Uint8Array, type = 0): Buffer {
  const bytes = typeof name === 'string' ? Buffer.from(name, 'latin1') : name;
  return extension(0, vector(2, number(1, type), vector(2, bytes)));
}

export const encryptedHello = extension(0xfe0d, Buffer.from([0, 1, 2, 3]));

/** The handshake message alone. */
export function clientHello(...extensions: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat([
    number(2, 0x0303),
    Buffer.alloc(32, 7),
    vector(1, Buffer.alloc(32, 1)),
    vector(2, number(2, 0x1301)),
    vector(1, number(1, 0)),
    ...(extensions.length === 0 ? [] : [vector(2, ...extensions)]),
  ]);
  return Buffer.concat([number(1, 1), vector(3, body)]);
}

/** Split over records of so many bytes each. */
export function records(message: Uint8Array, each = 16384): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < message.length; at += each) {
    parts.push(Buffer.from([22, 3, 1]), vector(2, message.subarray(at, at + each)));
  }
  return Buffer.concat(parts);
}
