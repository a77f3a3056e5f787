/** A name server for tests: answers from a table, over UDP on a loopback port, and remembers what it was asked. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { decode, encode } from 'dns-packet';

export interface DnsServer extends AsyncDisposable {
  /** `127.0.0.1:port` */
  readonly address: string;
  /** `TYPE name`, in order. */
  readonly asked: string[];
  /** Name → addresses of both families; may be changed. */
  readonly zone: Map<string, readonly string[]>;
}

export async function openDnsServer(zone: Record<string, readonly string[]>): Promise<DnsServer> {
  const socket = createSocket('udp4');
  const asked: string[] = [];
  const table = new Map(Object.entries(zone));
  socket.on('message', (bytes, from) => {
    const query = decode(bytes);
    const [question] = query.questions ?? [];
    if (question === undefined) return;
    asked.push(`${question.type} ${question.name}`);
    const known = table.get(question.name.toLowerCase());
    const family = question.type === 'AAAA' ? 6 : 4;
    const answers = (known ?? [])
      .filter((address) => address.includes(':') === (family === 6))
      .map((data) => ({
        name: question.name,
        type: family === 6 ? ('AAAA' as const) : ('A' as const),
        ttl: 60,
        data,
      }));
    const flags = known === undefined ? 0x8183 : 0x8180;
    const id = query.id ?? 0;
    const answer = encode({
      type: 'response',
      id,
      flags,
      questions: [question],
      answers: question.type === 'A' || question.type === 'AAAA' ? answers : [],
    });
    socket.send(answer, from.port, from.address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return {
    address: `127.0.0.1:${socket.address().port}`,
    asked,
    zone: table,
    [Symbol.asyncDispose]: async () => {
      socket.close();
      await once(socket, 'close');
    },
  };
}
