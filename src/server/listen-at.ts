/** Where the service listens, and in words of its own why it cannot. */
import { chmod, lstat, unlink } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { CaissonError, type ErrorCode } from '../core/error.ts';
import type { Config } from './config/config.ts';

/** Every address of this machine, of IPv4 or of both. */
const EVERY = new Set(['0.0.0.0', '::']);

/**
 * @returns `http://127.0.0.1:8640`, or `unix:/run/caisson.sock`
 * @throws CONFLICT: something else is there; CONFIG_INVALID: it is no place to listen at
 */
export async function listenAt(app: FastifyInstance, listen: Config['listen']): Promise<string> {
  return listen.socketPath === undefined
    ? await listenOnPort(app, listen)
    : await listenOnSocket(app, listen.socketPath, listen.socketMode);
}

async function listenOnPort(
  app: FastifyInstance,
  { host, port }: Config['listen'],
): Promise<string> {
  try {
    const address = await app.listen({ host, port });
    if (!EVERY.has(host)) return address;
    // Fastify tells the first of the addresses, as if it were the only one.
    const told = new URL(address);
    return `${told.protocol}//${withPort(host, told.port)}`;
  } catch (cause) {
    throw cannotListen(cause, host, port);
  }
}

function cannotListen(cause: unknown, host: string, port: number): unknown {
  const { code } = cause as NodeJS.ErrnoException;
  switch (code) {
    case 'EADDRINUSE':
      return refuse(
        'CONFLICT',
        `another process listens at ${withPort(host, port)}`,
        'stop it, or take another port: --port NUMBER (listen.port), 0 for one that is free',
        cause,
      );
    case 'EACCES':
      return refuse(
        'CONFIG_INVALID',
        `this user may not listen at ${withPort(host, port)}`,
        'take a port from 1024 on: --port NUMBER (listen.port); or give it CAP_NET_BIND_SERVICE',
        cause,
      );
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return refuse(
        'CONFIG_INVALID',
        code === 'EADDRNOTAVAIL'
          ? `${host} is no address of this machine`
          : `nobody knows an address of ${host}`,
        'name one that `ip address` shows, or 127.0.0.1: --host ADDRESS (listen.host)',
        cause,
      );
    default:
      return cause;
  }
}

function withPort(host: string, port: number | string): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

async function listenOnSocket(
  app: FastifyInstance,
  path: string,
  socketMode: string,
): Promise<string> {
  await freeSocket(path);
  // Made for its owner alone; widened afterwards where that is asked for.
  const before = process.umask(0o177);
  try {
    await app.listen({ path });
  } catch (cause) {
    throw refuse(
      'CONFIG_INVALID',
      `it cannot listen at ${path}: ${await whyNot(path, cause)}`,
      'name one in a directory that this user may write: --socket PATH (listen.socketPath)',
      cause,
    );
  } finally {
    process.umask(before);
  }
  await chmod(path, Number.parseInt(socketMode, 8));
  return `unix:${path}`;
}

/** libuv says EACCES of a directory that is not there (uv_pipe_bind). */
async function whyNot(path: string, cause: unknown): Promise<string> {
  const parent = dirname(path);
  const found = await lstat(parent).catch(() => undefined);
  if (found === undefined) return `there is no directory ${parent}`;
  return `${(cause as NodeJS.ErrnoException).code}`;
}

/** What a service left that was killed; one that still answers, and what is no socket, is not taken away. */
async function freeSocket(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (found === undefined) return;
  if (!found.isSocket()) {
    throw refuse(
      'CONFLICT',
      `${path} is there already, and no socket`,
      'take it away, or name another path: --socket PATH (listen.socketPath)',
    );
  }
  const answers = await new Promise<boolean>((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
  if (answers) {
    throw refuse(
      'CONFLICT',
      `another process listens at ${path}`,
      'stop it, or name another path: --socket PATH (listen.socketPath)',
    );
  }
  await unlink(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
}

function refuse(code: ErrorCode, message: string, hint: string, cause?: unknown): CaissonError {
  return new CaissonError(code, {
    layer: 'server',
    message,
    hint,
    ...(cause === undefined ? {} : { cause }),
  });
}
