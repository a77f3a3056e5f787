/**
 * One client's session: its sandboxes, what it may hold and do at once, and the end of all of it.
 */
import { CaissonError } from '../core/error.ts';
import { newId } from '../core/ids.ts';
import type { ObservedEvent } from '../core/ports.ts';
import { KeptSandbox } from './kept-sandbox.ts';
import type { McpSandbox } from './mcp-sandbox.ts';
import type { McpSetup } from './mcp-setup.ts';
import { NetworkRequests } from './network-requests.ts';
import type { Narrowing, SandboxPlace, WorkspaceKind } from './sandbox-places.ts';

/** Calls of one session that are carried out at the same time. */
export const CALLS_AT_ONCE = 8;
/** Ended sandboxes whose end is still told. */
const ENDED_KEPT = 64;

export interface Where extends Narrowing {
  readonly workspace?: WorkspaceKind | undefined;
}

/** What happened, without whom it is about. */
type Told<T> = T extends ObservedEvent ? Omit<T, 'id' | 'tenant' | 'sandbox'> : never;

export class McpSession {
  readonly setup: McpSetup;
  /** Names it in the audit log, where it begins and ends. No secret, unlike the id that a client of HTTP shows. */
  readonly name: string = newId('sandbox').replace('sandbox_', 'session-');
  /**
   * Its subject and its place among the sessions of that: those at one time share nothing, and what is kept by tenant does
   * not grow with every session that there ever was.
   */
  readonly tenant: string;
  readonly network: NetworkRequests;
  readonly #kept = new Map<string, KeptSandbox>();
  readonly #ended = new Map<string, string>();
  readonly #abort = new AbortController();
  /** Waited for when it ends. */
  readonly #running = new Set<Promise<unknown>>();
  #opening = 0;
  #opened = 0;
  #calls = 0;
  #closing: Promise<void> | undefined;

  /**
   * @param subject whose session it is: `stdio`, or the name of a token
   * @param place that no other session of the subject has while this one is there
   */
  constructor(setup: McpSetup, subject: string, place = 0) {
    this.setup = setup;
    this.tenant = `mcp/${subject}/${place}`;
    this.record({ kind: 'state', state: 'SessionOpened' });
    this.network = new NetworkRequests(setup.network);
  }

  /** Fires when the session ends. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  get isIdle(): boolean {
    return this.#calls === 0;
  }

  /** A call begins. @throws RATE_LIMITED, SANDBOX_CLOSED */
  enter(): Disposable {
    if (this.signal.aborted) throw sessionClosed();
    if (this.#calls >= CALLS_AT_ONCE) {
      throw new CaissonError('RATE_LIMITED', {
        layer: 'mcp',
        message: `${CALLS_AT_ONCE} calls of this session are under way`,
        hint: 'wait until one of them has answered',
      });
    }
    this.#calls++;
    return { [Symbol.dispose]: () => void this.#calls-- };
  }

  /** A sandbox for one use; nothing of it is left afterwards. */
  async throwAway<T>(
    where: Where,
    signal: AbortSignal,
    use: (sandbox: McpSandbox, place: SandboxPlace) => Promise<T>,
  ): Promise<T> {
    const place = this.setup.places.place(where.workspace, where);
    const run = async (): Promise<T> => {
      await using sandbox = await this.#create(place, 'call', signal);
      return await use(sandbox, place);
    };
    const running = run();
    return await this.#tracked(running);
  }

  /** @throws QUOTA_EXCEEDED, and what `Caisson.create` throws */
  async open(where: Where, signal: AbortSignal): Promise<KeptSandbox> {
    const { limits, places } = this.setup;
    if (this.#kept.size + this.#opening >= limits.sandboxes) {
      throw new CaissonError('QUOTA_EXCEEDED', {
        layer: 'mcp',
        message: `this session holds ${limits.sandboxes} sandboxes, which is all that it may`,
        hint: 'close one that is not needed any more',
      });
    }
    const place = places.place(where.workspace, where);
    this.#opening++;
    const id = `sandbox-${++this.#opened}`;
    try {
      const sandbox = await this.#tracked(this.#create(place, id, signal));
      const kept = new KeptSandbox({
        id,
        sandbox,
        place,
        idleMs: limits.idleMs,
        onEnd: (ended, why) => this.#forget(ended, why),
      });
      this.#kept.set(kept.id, kept);
      return kept;
    } finally {
      this.#opening--;
    }
  }

  /** @throws NOT_FOUND, SANDBOX_CLOSED */
  kept(id: string): KeptSandbox {
    const found = this.#kept.get(id);
    if (found !== undefined) return found;
    const why = this.#ended.get(id);
    if (why !== undefined) {
      throw new CaissonError('SANDBOX_CLOSED', {
        layer: 'mcp',
        message: `${id} is closed: ${why}`,
        hint: 'what it held is gone; open another one',
      });
    }
    throw new CaissonError('NOT_FOUND', {
      layer: 'mcp',
      message: `this session has no sandbox ${JSON.stringify(id.slice(0, 64))}`,
      hint: 'list_sandboxes names those that are open; open_sandbox opens one',
    });
  }

  list(): KeptSandbox[] {
    return [...this.#kept.values()];
  }

  /** Beside what Caisson records itself. */
  record(event: Told<ObservedEvent>, sandbox?: string): void {
    const about = { id: sandbox ?? this.name, tenant: this.tenant };
    this.setup.recorder?.observer({ ...event, ...about } as ObservedEvent);
  }

  /** Ends everything; settles when nothing is left. Idempotent. */
  close(why = 'its session ended'): Promise<void> {
    this.#closing ??= this.#close(why);
    return this.#closing;
  }

  async #close(why: string): Promise<void> {
    this.#abort.abort(sessionClosed());
    await Promise.allSettled([...this.list().map((kept) => kept.close(why)), ...this.#running]);
    this.record({ kind: 'state', state: 'SessionClosed', reason: why });
  }

  async #tracked<T>(running: Promise<T>): Promise<T> {
    this.#running.add(running);
    try {
      return await running;
    } finally {
      this.#running.delete(running);
    }
  }

  /** What cannot be called off is closed when it is there. */
  async #create(place: SandboxPlace, name: string, signal: AbortSignal): Promise<McpSandbox> {
    const { makeSandbox, accept, secrets } = this.setup;
    const { policy, workspace } = place;
    if (signal.aborted) throw gaveUp();
    const where = {
      policy,
      accept,
      tenant: this.tenant,
      ...(workspace === undefined ? {} : { workspace }),
      ...(secrets === undefined ? {} : { secrets }),
    };
    const sandbox = await makeSandbox(where, name);
    if (!signal.aborted && !this.signal.aborted) return sandbox;
    await sandbox.close();
    throw gaveUp();
  }

  #forget({ id }: KeptSandbox, why: string): void {
    this.#kept.delete(id);
    this.#ended.set(id, why);
    if (this.#ended.size > ENDED_KEPT) this.#ended.delete(this.#ended.keys().next().value ?? '');
  }
}

function gaveUp(): CaissonError {
  return new CaissonError('ABORTED', { layer: 'mcp', message: 'the call was cancelled' });
}

function sessionClosed(): CaissonError {
  return new CaissonError('SANDBOX_CLOSED', { layer: 'mcp', message: 'the session has ended' });
}
