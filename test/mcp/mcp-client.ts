/** The SDK's own client, on a `caisson mcp` that it starts, or over HTTP. */
import { spawnSync } from 'node:child_process';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { RequestOptions } from '@modelcontextprotocol/sdk/shared/protocol.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { ElicitRequestSchema, type ElicitResult } from '@modelcontextprotocol/sdk/types.js';
import { entry } from '../cli/caisson.ts';

/** Of test/skips.json. */
export const withoutPython: string | false =
  spawnSync('sh', ['-c', 'command -v python3']).status === 0 ? false : 'python3 is not installed';

export interface Answer {
  readonly isError: boolean;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: what a tool answers is what a test looks at.
  readonly structured: any;
}

export type Elicit = (message: string) => ElicitResult | Promise<ElicitResult>;

export interface McpClient extends AsyncDisposable {
  readonly client: Client;
  /** Of the server, where it was started here. */
  readonly pid: number | null;
  call(name: string, args?: Record<string, unknown>, options?: RequestOptions): Promise<Answer>;
  /** Opens a sandbox; its id. */
  open(args?: Record<string, unknown>): Promise<string>;
}

interface Started {
  readonly args?: readonly string[];
  readonly cwd: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly elicit?: Elicit;
}

export async function startMcp({
  args = [],
  cwd,
  environment,
  elicit,
}: Started): Promise<McpClient> {
  const transport = new StdioClientTransport({
    command: entry,
    args: ['mcp', ...args],
    cwd,
    env: environment as Record<string, string>,
    stderr: 'pipe',
  });
  const client = await connected(transport as unknown as Transport, elicit);
  return clientOf(client, () => transport.pid);
}

export async function connectMcp(
  url: string,
  headers: Readonly<Record<string, string>> = {},
  elicit?: Elicit,
): Promise<McpClient & { readonly sessionId: string; end(): Promise<void> }> {
  const transport = new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } });
  const client = await connected(transport as unknown as Transport, elicit);
  return {
    ...clientOf(client, () => null),
    sessionId: transport.sessionId ?? '',
    end: () => transport.terminateSession(),
    [Symbol.asyncDispose]: () => client.close(),
  };
}

async function connected(transport: Transport, elicit: Elicit | undefined): Promise<Client> {
  const capabilities = elicit === undefined ? {} : { elicitation: {} };
  const client = new Client({ name: 'caisson-test', version: '1' }, { capabilities });
  if (elicit !== undefined) {
    client.setRequestHandler(ElicitRequestSchema, ({ params }) => elicit(params.message));
  }
  await client.connect(transport);
  // From here on the client checks every answer against the schema of its tool.
  await client.listTools();
  return client;
}

function clientOf(client: Client, pid: () => number | null): McpClient {
  const call: McpClient['call'] = async (name, args = {}, options = {}) => {
    const answer = await client.callTool({ name, arguments: args }, undefined, options);
    const [first] = answer.content as { type: string; text: string }[];
    return {
      isError: answer.isError === true,
      text: first?.text ?? '',
      structured: answer.structuredContent,
    };
  };
  return {
    client,
    get pid() {
      return pid();
    },
    call,
    open: async (args) => (await call('open_sandbox', args)).structured.sandbox,
    [Symbol.asyncDispose]: () => client.close(),
  };
}
