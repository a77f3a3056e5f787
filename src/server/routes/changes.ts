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
import type { Change } from '../../sandbox/changes.ts';
import type { ManagedSandbox } from '../../sandbox/manager/managed-sandbox.ts';
import { type Asked, implement } from '../http/implement.ts';
import { DEFAULT_LIMIT } from '../http/page.ts';
import type { Service } from '../service.ts';
import { requireWorkspace } from '../workspaces.ts';

interface Named {
  readonly params: { readonly id: string };
}

export function serveChanges(app: FastifyInstance, { sandboxes, security }: Service): void {
  const turns = new Turns();
  const most = MOST_CHANGES;

  /** Of each tenant one list at a time: its guests make them long. */
  const inTurn = <T>(
    { params, caller, signal }: Pick<Asked, 'caller' | 'signal'> & Named,
    work: (sandbox: ManagedSandbox) => Promise<T>,
  ) =>
    turns.take(caller.tenant, async (): Promise<T> => {
      if (signal.aborted)
        throw new CaissonError('ABORTED', { layer: 'server', cause: signal.reason });
      return await work(sandboxes.get(caller.tenant, params.id));
    });

  /** A piece of a tenant's at a time, and none before the last was taken. */
  async function* eachInTurn(
    tenant: string,
    parts: AsyncGenerator<string, void>,
  ): AsyncGenerator<string, void> {
    try {
      for (;;) {
        const part = await turns.take(tenant, () => parts.next());
        if (part.done === true) return;
        yield part.value;
      }
    } finally {
      await parts.return();
    }
  }

  implement(app, listChanges, async (asked) => {
    const { limit = DEFAULT_LIMIT, after } = asked.query;
    const { entries, more } = await inTurn(asked, (sandbox) =>
      sandbox.changesPage({ limit, ...(after === undefined ? {} : { after }) }),
    );
    const last = entries.at(-1);
    const next = more && last !== undefined ? { next: last.path } : {};
    return { items: entries.map(changeToWire), ...next };
  });

  implement(app, diffChanges, async (asked) => {
    const changes = await inTurn(asked, (sandbox) => sandbox.changes({ most }));
    const { most: characters } = asked.query;
    const parts = changes.diffParts(characters === undefined ? {} : { most: characters });
    return Readable.from(eachInTurn(asked.caller.tenant, parts), { objectMode: false });
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
