/** What was changed in an overlaid workspace of a service, in the shape of the library's. */
import { applyChanges, diffChanges, listChanges, type WireChange } from '../api/changes.ts';
import { CaissonError } from '../core/error.ts';
import { checkOptions } from '../policy/known-options.ts';
import type { Applied, ApplyOptions, Change } from '../sandbox/changes.ts';
import { APPLY, CHANGES } from '../sandbox/option-kinds.ts';
import { eachOf } from './pages.ts';
import type { SharedChanges } from './shared.ts';
import type { Transport } from './transport.ts';

/** As a library's own list: whoever answers does not fill the memory of whoever asks. */
const MOST_ENTRIES = 1_000_000;

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

  /** @param id of the sandbox @throws TOO_LARGE */
  static async read(transport: Transport, id: string): Promise<RemoteChanges> {
    const found: Change[] = [];
    for await (const each of eachOf(transport, listChanges, { params: { id } })) {
      if (found.length >= MOST_ENTRIES) throw tooMany(MOST_ENTRIES);
      found.push(changeOf(each));
    }
    return new RemoteChanges(transport, id, found);
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

function tooMany(most: number): CaissonError {
  return new CaissonError('TOO_LARGE', {
    layer: 'client',
    message: `more was changed than is listed: the most is ${most} entries`,
    hint: 'read the files that matter one by one, or remove inside what nobody needs',
    details: { most },
  });
}
