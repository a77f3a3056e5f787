/** A session over HTTP: whose it is, and its end when nobody asks for anything any more. */
import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { mcpServerOf } from '../mcp-server.ts';
import { McpSession } from '../mcp-session.ts';
import type { McpSetup } from '../mcp-setup.ts';
import { callsIn } from './calls-in.ts';
import { BODY_MAX } from './read-body.ts';

export interface HttpSessionSetup {
  readonly setup: McpSetup;
  readonly subject: string;
  /** That no other session of the subject has while this one is there. */
  readonly place: number;
  readonly idleMs: number;
  /** Told once, when nothing of it is left. */
  readonly onEnd: (session: HttpSession) => void;
}

export class HttpSession {
  /** 256 bits: whoever does not know it cannot guess it. And it is of no use with another's token. */
  readonly id: string = randomBytes(32).toString('base64url');
  readonly subject: string;
  readonly place: number;
  readonly #setup: HttpSessionSetup;
  readonly #session: McpSession;
  readonly #transport: StreamableHTTPServerTransport;
  #open = 0;
  #restsSince = performance.now();
  #idle: NodeJS.Timeout | undefined;
  #closing: Promise<void> | undefined;

  constructor(setup: HttpSessionSetup) {
    this.#setup = setup;
    this.subject = setup.subject;
    this.place = setup.place;
    this.#session = new McpSession(setup.setup, setup.subject, setup.place);
    this.#transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: () => this.id,
      // Answered when nothing is left.
      onsessionclosed: () => this.#session.close('its client closed it'),
      maxRequestBodySize: BODY_MAX,
    });
  }

  /** Before the first request. */
  async start(): Promise<void> {
    const server = mcpServerOf(this.#session);
    server.onclose = () => {
      this.close('its client closed it').catch(() => {});
    };
    // Its accessors are wider than exactOptionalPropertyTypes lets them be.
    await server.connect(this.#transport as unknown as Transport);
    this.#rest();
  }

  async handle(request: IncomingMessage, response: ServerResponse, body: unknown): Promise<void> {
    this.#open++;
    clearTimeout(this.#idle);
    response.once('close', () => {
      this.#open--;
      if (!response.writableFinished) this.#giveUp(body);
      this.#rest();
    });
    await this.#transport.handleRequest(request, response, body);
    // An initialize request that the protocol refused begins nothing.
    if (this.#transport.sessionId === undefined) await this.close('it did not begin');
  }

  /** Nothing would be lost with it. */
  get isEmpty(): boolean {
    return this.#open === 0 && this.#session.isIdle && this.#session.list().length === 0;
  }

  /** When it was last busy, monotonic, ms. */
  get restsSince(): number {
    return this.#restsSince;
  }

  /** Settles when nothing of it is left. Idempotent. */
  close(why: string): Promise<void> {
    this.#closing ??= this.#close(why);
    return this.#closing;
  }

  async #close(why: string): Promise<void> {
    clearTimeout(this.#idle);
    try {
      await this.#session.close(why);
      await this.#transport.close();
    } finally {
      this.#setup.onEnd(this);
    }
  }

  /** Answers are not kept to be fetched later: what nobody can be told of any more ends, as if its client had cancelled it. */
  #giveUp(body: unknown): void {
    for (const requestId of callsIn(body)) {
      this.#transport.onmessage?.({
        jsonrpc: '2.0',
        method: 'notifications/cancelled',
        params: { requestId, reason: 'its client went away' },
      });
    }
  }

  /** A call that is under way keeps it; a stream that is open does, too. */
  #rest(): void {
    clearTimeout(this.#idle);
    this.#restsSince = performance.now();
    if (this.#open > 0 || this.#closing !== undefined) return;
    this.#idle = setTimeout(() => {
      if (this.#session.isIdle) this.close('nothing was asked in it for long').catch(() => {});
      else this.#rest();
    }, this.#setup.idleMs);
    this.#idle.unref();
  }
}
