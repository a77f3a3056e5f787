/** Requests as they go over the wire, on a unix socket, with whatever status comes back: no client of ours in between. */
import { Agent, type IncomingMessage, request } from 'node:http';

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Whole, as text. */
  readonly text: string;
  /** What it holds, where it is JSON; a problem that came late is told as if it had come at once. */
  readonly body: Readonly<Record<string, unknown>>;
  /** Of a problem. */
  readonly code: string | undefined;
}

export interface AskOptions {
  readonly body?: unknown;
  readonly bytes?: Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
  /** Its client goes away after that. */
  readonly leaveAfterMs?: number;
}

/** An hour-long hang is a finding, and must not hold up the others. */
const HUNG_MS = 90_000;

export class PlainClient {
  readonly socketPath: string;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 64 });

  constructor(socketPath: string) {
    this.socketPath = socketPath;
  }

  /** @returns undefined where the connection broke first @throws HUNG */
  async ask(
    token: string,
    method: string,
    path: string,
    { body, bytes, headers = {}, leaveAfterMs }: AskOptions = {},
  ): Promise<Answer | undefined> {
    const sent = bytes ?? (body === undefined ? undefined : Buffer.from(JSON.stringify(body)));
    const { promise, resolve, reject } = Promise.withResolvers<Answer | undefined>();
    const asked = request({
      socketPath: this.socketPath,
      agent: this.#agent,
      method,
      path,
      headers: {
        host: 'caisson',
        authorization: `Bearer ${token}`,
        ...(sent === undefined ? {} : { 'content-length': sent.byteLength }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(bytes === undefined ? {} : { 'content-type': 'application/x-tar' }),
        ...headers,
      },
    });
    const hung = setTimeout(() => {
      reject(new Error(`HUNG: ${method} ${path}`));
      asked.destroy();
    }, HUNG_MS);
    const leaving =
      leaveAfterMs === undefined ? undefined : setTimeout(() => asked.destroy(), leaveAfterMs);
    asked.on('error', () => resolve(undefined));
    asked.on('response', (response) => {
      whole(response).then(resolve);
    });
    asked.end(sent);
    return await promise.finally(() => {
      clearTimeout(hung);
      clearTimeout(leaving);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

async function whole(response: IncomingMessage): Promise<Answer | undefined> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of response) chunks.push(chunk as Buffer);
  } catch {
    return undefined;
  }
  const text = Buffer.concat(chunks).toString('utf8');
  const body = parsed(text, String(response.headers['content-type'] ?? ''));
  const late = body.problem as Record<string, unknown> | undefined;
  const told = late ?? body;
  const { statusCode = 0, headers } = response;
  const status = late === undefined ? statusCode : Number(late.status);
  const code = status >= 400 && typeof told.code === 'string' ? told.code : undefined;
  return { status, headers, text, body: told, code };
}

function parsed(text: string, type: string): Record<string, unknown> {
  if (!type.includes('json') || text.trim() === '') return {};
  return JSON.parse(text) as Record<string, unknown>;
}
