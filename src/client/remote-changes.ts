/** What was changed in an overlaid workspace of a service, in the shape of the library's. */
import { applyChanges, diffChanges, listChanges, type WireChange } from '../api/changes.ts';
import type { Applied, ApplyOptions, Change } from '../sandbox/changes.ts';
import { checkOptions } from '../sandbox/known-options.ts';
import { APPLY, CHANGES } from '../sandbox/option-kinds.ts';
import { pagesOf } from './pages.ts';
import type { SharedChanges } from './shared.ts';
import type { Transport } from './transport.ts';

export class RemoteChanges implements SharedChanges {
  /** As they were when they were read. */
  readonly entries: readonly Change[];
  readonly #transport: Transport;
  readonly #params: { readonly id: string };

  private constructor(transport: Transport, id: string, entries: readonly Change[]) {
    this.#transport = transport;
    this.#params = { id };
    this.entries = entries;
  }

  /** @param id of the sandbox */
  static async read(transport: Transport, id: string): Promise<RemoteChanges> {
    const found = await pagesOf(transport, listChanges, { params: { id } });
    return new RemoteChanges(transport, id, found.map(changeOf));
  }

  get isEmpty(): boolean {
    return this.entries.length === 0;
  }

  async diff(options: { readonly most?: number } = {}): Promise<string> {
    checkOptions(options, 'diff', CHANGES, 'client');
    const { most } = options;
    const query = most === undefined || !Number.isFinite(most) ? {} : { most };
    return await this.#transport.askText(diffChanges, { params: this.#params, query });
  }

  async apply(options: ApplyOptions = {}): Promise<Applied> {
    checkOptions(options, 'apply', APPLY, 'client');
    return await applyRemote(this.#transport, this.#params.id, options);
  }
}

/** @param id of the sandbox */
export async function applyRemote(
  transport: Transport,
  id: string,
  { only, skipProtected }: ApplyOptions,
): Promise<Applied> {
  const { applied, skipped } = await transport.ask(applyChanges, {
    params: { id },
    body: {
      ...(only === undefined ? {} : { only: [...only] }),
      ...(skipProtected === undefined ? {} : { skipProtected }),
    },
  });
  return { applied: applied.map(changeOf), skipped: skipped.map(changeOf) };
}

function changeOf({ mode, stays, ...change }: WireChange): Change {
  return {
    ...change,
    ...(mode === undefined ? {} : { mode: Number.parseInt(mode, 8) }),
    ...(stays === undefined ? {} : { stays }),
  };
}
