/**
 * The internet of two tenants, in the namespace that `own-namespace.ts` made: a host of each, whose every byte is kept by
 * the connection that it came on. The name server is that of `test/e2e/network/world.ts`.
 */
import { writeFileSync } from 'node:fs';
import { createServer as createTcp, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { createServer as createTls } from 'node:tls';
import { Authority } from '../../../src/network/intercept/authority.ts';
import { startWorld, type World } from '../../e2e/network/world.ts';
import { rootsFile } from './own-namespace.ts';

/** Each name has an address of its own; `bank` is A's, `evil` is B's. */
export const HOSTS = {
  'bank.test': '198.51.100.30',
  'old.test': '198.51.100.31',
  'evil.test': '198.51.100.40',
} as const;
export type HostName = keyof typeof HOSTS;

/** One connection as its server saw it. */
export interface SeenConnection {
  readonly host: HostName;
  readonly port: number;
  /** Decrypted. */
  bytes: string;
  isOpen: boolean;
  readonly socket: Socket;
}

export class SmallInternet implements AsyncDisposable {
  readonly world: World;
  readonly connections: SeenConnection[] = [];
  readonly #servers: Server[] = [];

  private constructor(world: World) {
    this.world = world;
  }

  static async open(): Promise<SmallInternet> {
    const world = await startWorld();
    const internet = new SmallInternet(world);
    const authority = await Authority.create();
    writeFileSync(rootsFile, world.roots + authority.certificatePem);
    const { execFileSync } = await import('node:child_process');
    for (const [host, address] of Object.entries(HOSTS) as [HostName, string][]) {
      execFileSync('ip', ['route', 'add', 'local', address, 'dev', 'lo']);
      world.point(host, [address]);
      // A host answers for its own name alone, whatever it is asked for.
      const context = await authority.contextFor(host);
      const options = {
        SNICallback: (_name: string, done: (error: null, made: typeof context) => void) =>
          done(null, context),
        ALPNProtocols: ['http/1.1'],
      };
      const tls = createTls(options, (socket) => internet.#serve(host, 443, socket));
      tls.on('tlsClientError', () => {});
      await internet.#listen(tls, 443, address);
      await internet.#listen(
        createTcp((socket) => internet.#serve(host, 80, socket)),
        80,
        address,
      );
      await internet.#listen(
        createTcp((socket) => internet.#serve(host, 9000, socket)),
        9000,
        address,
      );
    }
    return internet;
  }

  /** All that a host was sent. */
  sentTo(host: HostName): string {
    return this.of(host)
      .map(({ bytes }) => bytes)
      .join('\n');
  }

  of(host: HostName): SeenConnection[] {
    return this.connections.filter((each) => each.host === host);
  }

  /** To look again after; the test's own time limit bounds it. */
  moment(): Promise<void> {
    return sleep(20);
  }

  /** What comes on open connections is kept from here on. */
  forgetBytes(): void {
    for (const each of this.connections) each.bytes = '';
  }

  forget(): void {
    this.connections.length = 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { socket } of this.connections) socket.destroy();
    await Promise.all(this.#servers.map((server) => new Promise((done) => server.close(done))));
    await this.world.close();
  }

  /** Requests are answered in order; `/ws` becomes a tunnel and `/slow` never ends; on 9000 all is echoed. */
  #serve(host: HostName, port: number, socket: Socket): void {
    const seen: SeenConnection = { host, port, bytes: '', isOpen: true, socket };
    this.connections.push(seen);
    let unread = '';
    let isTunnel = port === 9000;
    socket.on('error', () => {});
    socket.on('close', () => {
      seen.isOpen = false;
    });
    socket.on('data', (chunk) => {
      const text = chunk.toString('latin1');
      seen.bytes += text;
      if (isTunnel) return void socket.write(chunk);
      unread += text;
      for (;;) {
        const end = unread.indexOf('\r\n\r\n');
        const head = unread.slice(0, end);
        const length = Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? 0);
        if (end < 0 || unread.length < end + 4 + length) return;
        unread = unread.slice(end + 4 + length);
        const path = head.split(' ')[1] ?? '';
        if (path.startsWith('/ws')) {
          isTunnel = true;
          socket.write(
            'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n',
          );
          return;
        }
        if (path.startsWith('/slow')) {
          socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n');
          isTunnel = false;
          return;
        }
        if (path.startsWith('/away')) {
          socket.write(
            'HTTP/1.1 302 Found\r\nLocation: https://evil.test/caught\r\nContent-Length: 0\r\n\r\n',
          );
          continue;
        }
        const number = this.connections.indexOf(seen);
        const body = `connection ${number} of ${host}`;
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
      }
    });
  }

  async #listen(server: Server, port: number, address: string): Promise<void> {
    this.#servers.push(server);
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, address, resolve);
    });
  }
}
