/**
 * Clients of the service, each with something to do, one thing after the other, until their service ends. What they are
 * told goes into the ledger; what they may not be told is blamed there.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { SeededRandom } from '../../seeded-random.ts';
import { type Ledger, TENANTS, type Tenant } from './ledger.ts';
import type { Answer, AskOptions, PlainClient } from './plain-client.ts';
import { WORK } from './work.ts';

/** What comes of a kill of the launcher or the proxy, so long after it. */
const EXPLAINS_MS = 8000;
const BY_A_KILL = [
  'LAUNCHER_GONE',
  'LAUNCHER_FAILED',
  'NETWORK_GONE',
  'NETWORK_FAILED',
  // The one that was killed was copying.
  'FILE_FAILED',
];
/** Somebody else ended it, or is at it: of sandboxes that many share, that is as it should be. */
const BY_OTHERS = ['SANDBOX_CLOSED', 'NOT_FOUND', 'ABORTED', 'CONFLICT'];
const WHEN_FULL = ['QUEUE_FULL', 'RESOURCE_EXHAUSTED', 'QUOTA_EXCEEDED'];

export interface LoadOptions {
  readonly ledger: Ledger;
  readonly client: PlainClient;
  readonly random: SeededRandom;
  readonly tokens: Readonly<Record<Tenant, string>>;
  /** Which start of the service this is. */
  readonly start: number;
}

export class Load {
  readonly ledger: Ledger;
  readonly client: PlainClient;
  readonly random: SeededRandom;
  readonly tokens: Readonly<Record<Tenant, string>>;
  readonly start: number;
  /** Alive as far as anybody knows, by tenant. */
  readonly open = new Map<string, Tenant>();
  readonly snapshots = new Map<string, Tenant>();
  /** Its service was asked to stop, or killed. */
  isEnding = false;
  #number = 0;
  #killedMs = Number.NEGATIVE_INFINITY;

  constructor({ ledger, client, random, tokens, start }: LoadOptions) {
    this.ledger = ledger;
    this.client = client;
    this.random = random;
    this.tokens = tokens;
    this.start = start;
  }

  /** A process of the service was killed: what ran in it fails. */
  noteKill(): void {
    this.#killedMs = performance.now();
    // What died with it, nobody can say.
    for (const told of this.ledger.sandboxes)
      if (told.start === this.start) told.mayBeForgotten = true;
    this.snapshots.clear();
  }

  async run(clients: number): Promise<void> {
    await Promise.all(Array.from({ length: clients }, () => this.#worker()));
  }

  /** Unique in all of the soak. */
  name(): string {
    return `${this.start}-${this.#number++}`;
  }

  tenant(): Tenant {
    return this.random.pick(TENANTS);
  }

  sandbox(): readonly [id: string, tenant: Tenant] | undefined {
    return this.random.pickIfAny([...this.open]);
  }

  /** @param allowed codes that this may come to, beside those that anything may */
  async ask(
    tenant: Tenant,
    method: string,
    path: string,
    { allowed = [], ...options }: AskOptions & { readonly allowed?: readonly string[] } = {},
  ): Promise<Answer | undefined> {
    const answer = await this.client.ask(this.tokens[tenant], method, path, options);
    const operation = `${method} ${path.replace(/\?.*/, '').replace(/[0-9a-f]{8}-[0-9a-f-]{27}|(?<=policies\/|keys\/|modules\/|snapshots\/)[^/]+/g, '…')}`;
    this.ledger.count(
      `${operation}: ${answer === undefined ? 'broken' : (answer.code ?? answer.status)}`,
    );
    if (answer !== undefined) this.judge(operation, answer, allowed);
    return answer;
  }

  judge(operation: string, answer: Answer, allowed: readonly string[]): void {
    const { status, code, text } = answer;
    if (status < 400) return;
    if (code !== undefined && this.explains(code, allowed)) return;
    this.ledger.blame(`${operation}: ${status} ${text.slice(0, 600)}`);
  }

  explains(code: string, allowed: readonly string[] = []): boolean {
    if ([...BY_OTHERS, ...WHEN_FULL, ...allowed].includes(code)) return true;
    if (code === 'DRAINING') return this.isEnding;
    return BY_A_KILL.includes(code) && performance.now() - this.#killedMs < EXPLAINS_MS;
  }

  /** An answer of 200 with an outcome: what is in the audit log. */
  noteOutcome(answer: Answer | undefined): void {
    const id = answer?.status === 200 ? answer.body.auditId : undefined;
    if (typeof id === 'string') this.ledger.record('ended', id);
  }

  noteSandbox(answer: Answer | undefined, tenant: Tenant): string | undefined {
    if (answer?.status !== 201) return undefined;
    const id = answer.body.id as string;
    this.ledger.sandboxes.push({ id, tenant, start: this.start, mayBeForgotten: false });
    const { sandbox } = answer.body;
    if (typeof sandbox === 'string') this.ledger.record('created', sandbox);
    this.open.set(id, tenant);
    return id;
  }

  /** From now on nobody counts on it. */
  release(id: string): void {
    this.open.delete(id);
    for (const told of this.ledger.sandboxes) if (told.id === id) told.mayBeForgotten = true;
  }

  async #worker(): Promise<void> {
    const kinds = Object.entries(WORK);
    while (!this.isEnding) {
      const [kind, work] = this.random.pick(kinds);
      try {
        await work(this);
      } catch (error) {
        if ((error as Error).message !== 'broken')
          this.ledger.blame(`${kind}: ${(error as Error).stack}`);
        // Its service is about to end, or has.
        await sleep(20);
      }
    }
  }
}
