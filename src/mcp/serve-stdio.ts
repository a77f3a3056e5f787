/**
 * One session over stdin and stdout, as an agent that starts the server itself speaks it. It ends with its stdin.
 */
import type { Readable, Writable } from 'node:stream';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import { mcpServerOf } from './mcp-server.ts';
import { McpSession } from './mcp-session.ts';
import type { McpSetup } from './mcp-setup.ts';

/** One message; a file of 1 MiB in base64 fits with room to spare. */
const MESSAGE_MAX = 8 * 1024 * 1024;

export interface StdioStreams {
  readonly stdin: Readable;
  readonly stdout: Writable;
}

/**
 * Settles when the client is gone, or `signal` fires, and nothing of the session is left.
 *
 * @param streams default: the process's own
 */
export async function serveStdio(
  setup: McpSetup,
  signal: AbortSignal,
  { stdin, stdout }: StdioStreams = process,
): Promise<void> {
  const session = new McpSession(setup, 'stdio');
  const server = mcpServerOf(session);
  const gone = Promise.withResolvers<void>();
  const end = (): void => gone.resolve();
  stdin.once('end', end);
  stdin.once('close', end);
  stdin.once('error', end);
  // A client that reads no more is gone, too (EPIPE).
  stdout.on('error', end);
  signal.addEventListener('abort', end, { once: true });
  if (signal.aborted) end();
  server.onclose = end;
  server.onerror = (error) => {
    process.stderr.write(`caisson: a message of the client: ${error.message.slice(0, 300)}\n`);
  };
  try {
    await server.connect(new StdioServerTransport(stdin, stdout, { maxBufferSize: MESSAGE_MAX }));
    await gone.promise;
  } finally {
    await session.close('its client is gone');
    await server.close();
    signal.removeEventListener('abort', end);
  }
}
