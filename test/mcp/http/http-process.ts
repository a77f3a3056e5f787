/** A `caisson mcp --http` of its own, and requests to it as no client would make them. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { Agent, type IncomingHttpHeaders, request } from 'node:http';
import { createInterface } from 'node:readline';
import { entry, type Place } from '../../cli/caisson.ts';

export interface HttpProcess extends AsyncDisposable {
  readonly url: string;
  readonly child: ChildProcess;
  send(options?: Sent): Promise<Reply>;
}

export interface Sent {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string | string[]>>;
  readonly body?: string | Buffer;
}

export interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

export const initialize: string = JSON.stringify({
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: {
    protocolVersion: '2025-06-18',
    capabilities: {},
    clientInfo: { name: 'bare', version: '1' },
  },
});

export async function startHttp(place: Place, args: readonly string[] = []): Promise<HttpProcess> {
  const child = spawn(
    entry,
    ['mcp', ...(args.includes('--http') ? [] : ['--http', '127.0.0.1:0']), ...args],
    {
      cwd: place.work,
      env: place.environment,
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  );
  const said: string[] = [];
  const url = await new Promise<string>((resolve, reject) => {
    createInterface(child.stderr).on('line', (line) => {
      said.push(line);
      const [, found] = /MCP at (\S+?)(?:,|$)/.exec(line) ?? [];
      if (found !== undefined) resolve(found);
    });
    child.once('exit', (code) => reject(new Error(`it ended with ${code}: ${said.join('\n')}`)));
  });
  return {
    url,
    child,
    send: (options) => send(url, options),
    [Symbol.asyncDispose]: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGTERM');
      await once(child, 'exit');
    },
  };
}

/** An event stream is read until its first message. */
function send(
  url: string,
  { method = 'POST', path, headers = {}, body }: Sent = {},
): Promise<Reply> {
  const { hostname, port, pathname } = new URL(url);
  // A connection of its own: what one left unsent would be the next one's.
  const agent = new Agent({ keepAlive: true });
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        hostname,
        port,
        method,
        agent,
        path: path ?? pathname,
        headers: {
          accept: 'application/json, text/event-stream',
          'content-type': 'application/json',
          ...headers,
        },
      },
      (answer) => {
        let text = '';
        const done = (): void => {
          resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text });
          sent.destroy();
          agent.destroy();
        };
        answer.setEncoding('utf8').on('data', (piece: string) => {
          text += piece;
          if (/^data: \{/m.test(text)) done();
        });
        answer.once('end', done);
      },
    );
    sent.on('error', reject);
    sent.end(body);
  });
}
