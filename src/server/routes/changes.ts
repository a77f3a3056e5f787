/** What was changed in an overlaid workspace. */
import { Readable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import {
  applyChanges,
  diffChanges,
  listChanges,
  MOST_CHANGES,
  type WireChange,
} from '../../api/changes.ts';
import { CaissonError } from '../../core/error.ts';
import { Turns } from '../../core/turns.ts';
import type { Change, Changes } from '../../sandbox/changes.ts';
import { type Asked, implement } from '../http/implement.ts';
import { page } from '../http/page.ts';
import type { Service } from '../service.ts';
import { requireWorkspace } from '../workspaces.ts';

interface Named {
  readonly params: { readonly id: string };
}

export function serveChanges(app: FastifyInstance, { sandboxes, security }: Service): void {
  const turns = new Turns();
  const most = MOST_CHANGES;

  /** Of each tenant one list at a time: its guests make them long. */
  const read = ({ params, caller, signal }: Pick<Asked, 'caller' | 'signal'> & Named) =>
    turns.take(caller.tenant, async (): Promise<Changes> => {
      if (signal.aborted)
        throw new CaissonError('ABORTED', { layer: 'server', cause: signal.reason });
      return await sandboxes.get(caller.tenant, params.id).changes({ most });
    });

  implement(app, listChanges, async (asked) => {
    const { query } = asked;
    const { entries } = await read(asked);
    const sorted = [...entries].sort((a, b) => (a.path < b.path ? -1 : 1));
    return page(sorted, ({ path }) => path, query, changeToWire);
  });

  implement(app, diffChanges, async (asked) => {
    const changes = await read(asked);
    const { most: characters } = asked.query;
    if (characters !== undefined) {
      return Readable.from([await changes.diff({ most: characters })]);
    }
    return Readable.from(changes.diffParts(), { objectMode: false });
  });

  implement(app, applyChanges, async ({ params, body = {}, caller }) => {
    const sandbox = sandboxes.get(caller.tenant, params.id);
    const { tenant } = caller;
    requireWorkspace(sandboxes.about(sandbox).workspace, tenant, security.tenants.settings(tenant));
    const { only, skipProtected } = body;
    const { applied, skipped } = await sandbox.apply({
      most,
      ...(only === undefined ? {} : { only }),
      ...(skipProtected === undefined ? {} : { skipProtected }),
    });
    return { applied: applied.map(changeToWire), skipped: skipped.map(changeToWire) };
  });
}

function changeToWire({
  path,
  kind,
  type,
  mode,
  protected: isProtected,
  stays,
}: Change): WireChange {
  return {
    path,
    kind,
    type,
    ...(mode === undefined ? {} : { mode: (mode & 0o7777).toString(8).padStart(3, '0') }),
    protected: isProtected,
    ...(stays === undefined ? {} : { stays }),
  };
}
