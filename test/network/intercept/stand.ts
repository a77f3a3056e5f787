/**
 * A stand for the interceptor: servers of the test with certificates of the test's own authority, and a port on
 * loopback where whatever connects is taken for a guest that asks for one name.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttp, type IncomingMessage, type ServerResponse } from 'node:http';
import { createSecureServer, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2';
import { createServer as createHttps } from 'node:https';
import {
  type AddressInfo,
  connect,
  createServer as createTcp,
  type Server,
  type Socket,
} from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import type { TlsOptions } from 'node:tls';
import { Authority } from '../../../src/network/intercept/authority.ts';
import {
  type InterceptDecision,
  Interceptor,
  type RequestDecision,
  type RequestFacts,
} from '../../../src/network/intercept/interceptor.ts';
import { guestBundle } from '../../../src/network/intercept/roots.ts';
import type { SecretHolder } from '../../../src/network/intercept/sealed-head.ts';
import { type Secret, Secrets } from '../../../src/network/intercept/secrets.ts';

export type Request = IncomingMessage | Http2ServerRequest;
export type Response = ServerResponse | Http2ServerResponse;

/** A secret, and what its holder has. */
export interface StandSecret extends Secret {
  readonly value: Buffer;
}

/** As the holder's process answers: with a copy, for as long as it is there. */
export class StandHolder implements SecretHolder {
  readonly #values: ReadonlyMap<number, Buffer>;
  /** Handed out, in order. */
  readonly copies: Buffer[] = [];
  isGone = false;

  constructor(secrets: readonly StandSecret[]) {
    this.#values = new Map(secrets.map(({ id, value }) => [id, value]));
  }

  async take(id: number): Promise<Buffer> {
    const value = this.#values.get(id);
    if (this.isGone || value === undefined) throw new Error('the holder has ended');
    const copy = Buffer.from(value);
    this.copies.push(copy);
    return copy;
  }
}

export interface StandOptions {
  /** The name that every connection is for. Default `app.test`. */
  readonly name?: string;
  readonly speaks?: 'tls' | 'http';
  readonly decide?: (facts: RequestFacts) => RequestDecision;
  readonly restricted?: boolean;
  readonly secrets?: readonly StandSecret[];
  /** What the server does. Default: `ok`. */
  readonly serve?: (request: Request, response: Response) => void;
  readonly upgrade?: (request: IncomingMessage, socket: Duplex) => void;
  /** Whether the server speaks HTTP/2. Default: no. */
  readonly http2?: boolean | 'alone';
  /** The name in the server's certificate. Default: {@link name}. */
  readonly certified?: string;
  /** Whether the server's certificate comes from an authority that nobody trusts. */
  readonly untrusted?: boolean;
  /** As the interceptor's. */
  readonly lookEveryMs?: number;
}

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export const anything = (): RequestDecision => ({
  allowed: true,
  rule: 'network.allow',
  reason: 'allowed',
});

export class Stand implements AsyncDisposable {
  readonly name: string;
  readonly directory: string;
  readonly decisions: InterceptDecision[] = [];
  /** What the server saw: method, target, and header. */
  readonly seen: { method: string; url: string; headers: NodeJS.Dict<string | string[]> }[] = [];
  readonly accepted: Promise<void>[] = [];
  readonly interceptor: Interceptor;
  readonly holder: StandHolder;
  readonly authorityPem: string;
  port = 0;
  serverPort = 0;
  dials = 0;
  readonly #servers: Server[] = [];
  readonly #sockets = new Set<Duplex>();
  readonly #options: StandOptions;

  private constructor(options: StandOptions, authority: Authority, roots: Authority) {
    this.#options = options;
    this.name = options.name ?? 'app.test';
    this.directory = mkdtempSync(join(tmpdir(), 'caisson-intercept-'));
    this.authorityPem = authority.certificatePem;
    writeFileSync(this.bundle, guestBundle(authority.certificatePem, []));
    this.holder = new StandHolder(options.secrets ?? []);
    this.interceptor = new Interceptor({
      authority,
      secrets: new Secrets(options.secrets ?? [], this.holder),
      restricted: () => options.restricted ?? true,
      decideRequest: options.decide ?? anything,
      report: (decision) => void this.decisions.push(decision),
      roots: [roots.certificatePem],
      ...(options.lookEveryMs === undefined ? {} : { lookEveryMs: options.lookEveryMs }),
    });
  }

  static async open(options: StandOptions = {}): Promise<Stand> {
    const [own, roots, strangers] = await Promise.all([
      Authority.create(),
      Authority.create(),
      Authority.create(),
    ]);
    const stand = new Stand(options, own, roots);
    const contexts = options.untrusted ? strangers : roots;
    await stand.#startServer(await contexts.contextFor(options.certified ?? stand.name));
    stand.port = await stand.#listen(createTcp((socket) => stand.#take(socket)));
    return stand;
  }

  get bundle(): string {
    return join(this.directory, 'bundle.pem');
  }

  get refusals(): InterceptDecision[] {
    return this.decisions.filter(({ allowed }) => !allowed);
  }

  url(path: string): string {
    return `${this.#options.speaks === 'http' ? 'http' : 'https'}://${this.name}:${this.port}${path}`;
  }

  /** curl as a guest would run it, with the status in the last line. */
  async curl(path: string, ...args: string[]): Promise<Ran & { status: number; body: string }> {
    const common = ['-sS', '--max-time', '20', '--path-as-is', '--cacert', this.bundle];
    const resolve = ['--resolve', `${this.name}:${this.port}:127.0.0.1`, '-w', '\n%{http_code}'];
    const ran = await run('curl', [...common, ...resolve, ...args, this.url(path)], {});
    const end = ran.stdout.lastIndexOf('\n');
    return { ...ran, status: Number(ran.stdout.slice(end + 1)), body: ran.stdout.slice(0, end) };
  }

  /** The guest's raw end of a connection. */
  socket(): Socket {
    const socket = connect(this.port, '127.0.0.1');
    socket.on('error', () => {});
    this.#sockets.add(socket);
    return socket;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.interceptor.close();
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(
      this.#servers.map((server) => new Promise((resolve) => server.close(resolve))),
    );
    await Promise.all(this.accepted);
    rmSync(this.directory, { recursive: true });
  }

  #take(socket: Socket): void {
    this.#sockets.add(socket);
    // As the proxy does: the first bytes are read, and put back.
    socket.once('data', (bytes) => {
      socket.pause();
      socket.unshift(bytes);
      const dial = () => {
        this.dials++;
        return new Promise<Socket>((resolve, reject) => {
          const server = connect(this.serverPort, '127.0.0.1', () => resolve(server));
          server.once('error', reject);
        });
      };
      const { speaks = 'tls' } = this.#options;
      const { name, port } = this;
      this.accepted.push(this.interceptor.accept({ stream: socket, speaks, name, port, dial }));
    });
    socket.on('error', () => {});
  }

  async #startServer(context: Awaited<ReturnType<Authority['contextFor']>>): Promise<void> {
    const { serve, speaks, http2, upgrade } = this.#options;
    const handle = (request: Request, response: Response) => {
      const { method = '', url = '', headers } = request;
      this.seen.push({ method, url, headers: { ...headers } });
      if (serve) serve(request, response);
      else (response as ServerResponse).end('ok');
    };
    const certify: NonNullable<TlsOptions['SNICallback']> = (_name, callback) =>
      callback(null, context);
    const server =
      speaks === 'http'
        ? createHttp(handle)
        : http2
          ? createSecureServer({ allowHTTP1: http2 !== 'alone', SNICallback: certify }).on(
              'request',
              handle,
            )
          : createHttps({ SNICallback: certify }, handle);
    if (upgrade) server.on('upgrade', upgrade);
    server.on('connection', (socket: Duplex) => this.#sockets.add(socket));
    server.on('secureConnection', (socket: Duplex) => this.#sockets.add(socket));
    this.serverPort = await this.#listen(server as unknown as Server);
  }

  async #listen(server: Server): Promise<number> {
    this.#servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return (server.address() as AddressInfo).port;
  }
}

/** Runs a program to its end, without blocking the servers of this process. */
export function run(
  command: string,
  args: readonly string[],
  { input, env = {}, cwd }: { input?: string | Buffer; env?: NodeJS.ProcessEnv; cwd?: string },
): Promise<Ran> {
  const { promise, resolve, reject } = Promise.withResolvers<Ran>();
  const child = spawn(command, args, { env: { ...process.env, ...env }, cwd, timeout: 60_000 });
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout.on('data', (bytes: Buffer) => out.push(bytes));
  child.stderr.on('data', (bytes: Buffer) => err.push(bytes));
  child.on('error', reject);
  child.on('close', (code) => {
    const [stdout, stderr] = [Buffer.concat(out).toString(), Buffer.concat(err).toString()];
    resolve({ code, stdout, stderr });
  });
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  return promise;
}
