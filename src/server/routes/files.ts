/** Files of a sandbox: what there is, how it is called, and what becomes of it. */
import { posix } from 'node:path';
import type { FastifyInstance } from 'fastify';
import {
  changeMode,
  listFiles,
  makeDirectory,
  makeLink,
  moveFile,
  removeFile,
  statFile,
  type WireFileInfo,
  watchFiles,
} from '../../api/files.ts';
import type { FileInfo } from '../../sandbox/files.ts';
import type { ManagedSandbox } from '../../sandbox/manager/managed-sandbox.ts';
import { eventStream, type ServerEvent } from '../http/event-stream.ts';
import { implement } from '../http/implement.ts';
import type { Service } from '../service.ts';
import { FileAccess, noFile } from './file-access.ts';
import { serveFileContent } from './file-content.ts';

const MOST_WATCHED = 10_000;
const WATCH_EVERY_MS = 500;
const PAGE = 1000;
const REMOVE_WITHIN_MS = 8000;

export function serveFiles(app: FastifyInstance, service: Service): void {
  const access = new FileAccess(service);
  serveFileContent(app, service.config, access);

  implement(app, removeFile, async (asked) => {
    const { query } = asked;
    const sandbox = access.find(asked);
    const recursive = query.recursive === 'true';
    await sandbox.files.remove(query.path, { recursive, withinMs: REMOVE_WITHIN_MS });
    access.account(sandbox, asked.caller.tenant).removed(posix.resolve(sandbox.cwd, query.path));
    return undefined;
  });

  implement(app, statFile, async (asked) => {
    const { query } = asked;
    const { files } = access.find(asked);
    const info = await files.stat(query.path, { follow: query.follow === 'true' });
    const target = info.type === 'link' ? { target: await files.readLink(query.path) } : {};
    return { ...infoToWire(info), ...target };
  });

  implement(app, listFiles, async (asked) => {
    const { path, limit = PAGE, after = 0 } = asked.query;
    const { entries, next } = await access.find(asked).files.page(path, { after, limit });
    return {
      items: entries.map(({ name, ...info }) => ({ name, ...infoToWire(info) })),
      ...(next === undefined ? {} : { next }),
    };
  });

  implement(app, makeDirectory, async (asked) => {
    const { path, recursive = false, mode } = asked.body;
    await access.find(asked).files.mkdir(path, {
      recursive,
      ...(mode === undefined ? {} : { mode: Number.parseInt(mode, 8) }),
    });
    return undefined;
  });

  implement(app, moveFile, async (asked) => {
    const { from, to } = asked.body;
    const sandbox = access.find(asked);
    await sandbox.files.move(from, to);
    const [old, now] = [from, to].map((path) => posix.resolve(sandbox.cwd, path));
    access.account(sandbox, asked.caller.tenant).moved(old as string, now as string);
    return undefined;
  });

  implement(app, changeMode, async (asked) => {
    await access.find(asked).files.chmod(asked.body.path, Number.parseInt(asked.body.mode, 8));
    return undefined;
  });

  implement(app, makeLink, async (asked) => {
    await access.find(asked).files.makeLink(asked.body.path, asked.body.target);
    return undefined;
  });

  implement(app, watchFiles, async (asked) => {
    const { query, signal } = asked;
    const sandbox = access.find(asked);
    const { type } = await sandbox.files.stat(query.path, { follow: true });
    if (type !== 'directory') throw noFile(query.path, type);
    const changes = sandbox.files.watch(query.path, {
      intervalMs: query.intervalMs ?? WATCH_EVERY_MS,
      recursive: query.recursive !== 'false',
      most: query.most ?? MOST_WATCHED,
      signal,
    });
    return eventStream(app, asked, changesOf(sandbox, changes));
  });
}

async function* changesOf(
  sandbox: ManagedSandbox,
  changes: AsyncIterable<{ kind: string; path: string }>,
): AsyncGenerator<ServerEvent> {
  using _ = sandbox.busy();
  for await (const change of changes) yield { event: 'change', data: change };
}

function infoToWire({ type, mode, size, modifiedMs }: FileInfo): WireFileInfo {
  return { type, mode: mode.toString(8).padStart(3, '0'), size, modifiedMs };
}
