/** What was changed in an overlaid workspace. */
import { Readable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import { applyChanges, diffChanges, listChanges, type WireChange } from '../../api/changes.ts';
import type { Change } from '../../sandbox/changes.ts';
import { implement } from '../http/implement.ts';
import { page } from '../http/page.ts';
import type { Service } from '../service.ts';
import { requireWorkspace } from '../workspaces.ts';

export function serveChanges(app: FastifyInstance, { sandboxes, security }: Service): void {
  implement(app, listChanges, async ({ params, query, caller }) => {
    const { entries } = await sandboxes.get(caller.tenant, params.id).changes();
    const sorted = [...entries].sort((a, b) => (a.path < b.path ? -1 : 1));
    return page(sorted, ({ path }) => path, query, changeToWire);
  });

  implement(app, diffChanges, async ({ params, query, caller }) => {
    const changes = await sandboxes.get(caller.tenant, params.id).changes();
    const { most } = query;
    if (most !== undefined) return Readable.from([await changes.diff({ most })]);
    return Readable.from(changes.diffParts(), { objectMode: false });
  });

  implement(app, applyChanges, async ({ params, body = {}, caller }) => {
    const sandbox = sandboxes.get(caller.tenant, params.id);
    const { tenant } = caller;
    requireWorkspace(sandboxes.about(sandbox).workspace, tenant, security.tenants.settings(tenant));
    const { only, skipProtected } = body;
    const { applied, skipped } = await sandbox.apply({
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
