/** After a start, before anybody works with it: what its clients were told is so, and nothing is left of the one before. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readLog, readPublicKey, verifyLog } from '../../../src/index.ts';
import type { SeededRandom } from '../../seeded-random.ts';
import type { Ledger, OnceOnly, Tenant, ToldKey } from './ledger.ts';
import { TENANTS } from './ledger.ts';
import type { Answer, PlainClient } from './plain-client.ts';

const FINAL = ['Completed', 'Failed', 'Killed', 'TimedOut', 'OutOfMemory', 'Terminated'];
const LIVE = ['Initializing', 'Running', 'Paused'];
/** Wrong credentials are counted, and too many of them make everybody of the socket wait. */
const MOST_WRONG_KEYS = 1;

export interface SurveyOptions {
  readonly ledger: Ledger;
  readonly client: PlainClient;
  readonly random: SeededRandom;
  readonly tokens: Readonly<Record<Tenant, string>>;
  readonly state: string;
  readonly marks: string;
  /** Which start this is. */
  readonly start: number;
  /** Start of the service whose sandboxes this one must know; none where that one ended in good order. */
  readonly before: number | undefined;
  /** It was on its way to its end, or another one found what it left and was killed: the audit log has the end of each. */
  readonly mayHaveEnded: boolean;
  /** When that one was killed, by the clock of performance.now(). */
  readonly killedMs: number;
}

export class Survey {
  readonly #o: SurveyOptions;

  constructor(options: SurveyOptions) {
    this.#o = options;
  }

  async all(): Promise<void> {
    await this.sandboxes();
    await this.onces();
    await this.keys();
    await this.policies();
    await this.modules();
    this.audit();
    await this.works();
  }

  async sandboxes(): Promise<void> {
    const { ledger, before, mayHaveEnded } = this.#o;
    const ended = mayHaveEnded ? this.#recordedEnds() : new Set<string>();
    for (const tenant of TENANTS) {
      const answer = await this.#get(tenant, '/api/sandboxes?limit=1000');
      const items = (answer?.body.items ?? []) as { id: string; state: string }[];
      const states = new Map(items.map(({ id, state }) => [id, state]));
      for (const [id, state] of states)
        if (LIVE.includes(state)) ledger.blame(`${id} of a dead service is told to be ${state}`);
      const told = ledger.sandboxes.filter(
        (each) => each.tenant === tenant && each.start === before,
      );
      for (const { id, mayBeForgotten } of told) {
        const state = states.get(id);
        if (state === undefined && !mayBeForgotten) {
          if (ended.has(id)) ledger.count('not known after the kill: its end is in the audit log');
          else ledger.blame(`${id} was made, and is not known`);
        }
        if (state !== undefined) ledger.count(`known after the kill: ${state}`);
        if (state !== undefined && !FINAL.includes(state)) ledger.blame(`${id}: ${state}`);
      }
      const [some] = told.filter(({ id }) => states.has(id));
      if (some === undefined) continue;
      const { client, tokens } = this.#o;
      const body = { argv: ['true'] };
      const path = `/api/sandboxes/${some.id}/exec`;
      const exec = await client.ask(tokens[tenant], 'POST', path, { body });
      if (exec?.code !== 'SANDBOX_CLOSED') ledger.blame(`exec in a dead one: ${exec?.text}`);
    }
  }

  #recordedEnds(): Set<string> {
    const ends = new Set<string>();
    const path = join(this.#o.state, 'audit');
    for (const { run, details } of readLog(path, { events: ['state'] }))
      if (run !== undefined && FINAL.includes(String(details.state))) ends.add(run);
    return ends;
  }

  /** Those of the last start, and some of all before. */
  async onces(): Promise<void> {
    const { ledger, random, start, client, tokens } = this.#o;
    const recent = ledger.onces.filter(({ key }) => key.startsWith(`once-${start - 1}-`));
    const asked = new Set([...random.some(recent, 40), ...random.some(ledger.onces, 5)]);
    for (const each of asked) {
      const { tenant, key, path, body } = each;
      const headers = { 'idempotency-key': key };
      const again = await client.ask(tokens[tenant], 'POST', path, { body, headers });
      this.#judge(each, again);
      // What was not begun is done now: its answer holds from now on.
      if (again !== undefined && again.code !== 'CONFLICT')
        each.answer ??= { status: again.status, text: again.text.trim() };
      const other = { ...body, labels: { other: 'body' }, argv: ['true', 'other'] };
      if (path === '/api/sandboxes') delete (other as { argv?: unknown }).argv;
      if (path.endsWith('/exec')) delete (other as { labels?: unknown }).labels;
      const differs = await client.ask(tokens[tenant], 'POST', path, { body: other, headers });
      // Nothing was done under it: another body is as good as the first.
      const isFree = again !== undefined && isForgotten(again);
      if (differs?.status !== 422 && !isFree)
        ledger.blame(`${key} with another body: ${differs?.status} ${differs?.text.slice(0, 300)}`);
    }
    for (const each of recent) this.#marks(each);
  }

  #judge({ key, answer }: OnceOnly, again: Answer | undefined): void {
    const { ledger } = this.#o;
    if (again === undefined) {
      ledger.blame(`${key}: no answer to its replay`);
      return;
    }
    const isReplayed = again.headers['idempotency-replayed'] === 'true';
    const state = (again.body.details as { state?: string } | undefined)?.state;
    ledger.count(
      `replay, ${answer === undefined ? 'not answered before' : `answered ${answer.status} before`}: ${isReplayed ? `the same ${again.status}` : `${again.status} ${again.code ?? ''} ${state ?? ''}`}`,
    );
    const what = `${key}: answered ${answer?.status} ${answer?.text.slice(0, 300)}, replayed ${again.status} ${again.text.slice(0, 300)}`;
    if (again.status >= 500 && !isReplayed && again.code !== 'DRAINING') ledger.blame(what);
    if (answer === undefined) {
      if (again.code === 'CONFLICT' && state !== 'lost' && !isReplayed) ledger.blame(what);
      return;
    }
    if (isForgotten({ code: codeIn(answer.text) })) return;
    // A status that was sent before its outcome was known is 200, and the body tells the rest.
    if (!isReplayed || withoutInstance(again.text) !== withoutInstance(answer.text))
      ledger.blame(what);
  }

  #marks({ mark, key, answer }: OnceOnly): void {
    if (mark === undefined) return;
    const { ledger, marks } = this.#o;
    const file = join(marks, mark);
    const times = existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n').length : 0;
    ledger.count(`a command with a key was run ${times} times`);
    if (times > 1) ledger.blame(`${key} was run ${times} times`);
    if (times === 0 && answer?.status === 200 && answer.text.includes('"kind":"exited"'))
      ledger.blame(`${key} was answered ${answer.text.slice(0, 200)}, and was not run`);
  }

  async keys(): Promise<void> {
    const { ledger, random } = this.#o;
    const valid = ledger.keys.filter(({ state }) => state === 'valid');
    for (const key of random.some(valid, 3)) await this.#isKey(key, key.token, 200);
    const dead = ledger.keys.flatMap((key) => [
      ...key.old.map((token) => ({ key, token })),
      ...(key.state === 'revoked' ? [{ key, token: key.token }] : []),
    ]);
    for (const { key, token } of random.some(dead, MOST_WRONG_KEYS))
      await this.#isKey(key, token, 401);
    // As the list has them, all.
    for (const tenant of TENANTS) {
      const states = new Map<string, string>();
      for (let after = ''; ; ) {
        const page = await this.#get(tenant, `/api/access/keys?limit=1000${after}`);
        for (const { id, state } of (page?.body.items ?? []) as { id: string; state: string }[])
          states.set(id, state);
        if (page?.body.next === undefined) break;
        after = `&after=${page.body.next}`;
      }
      for (const { id, state, tenant: its } of ledger.keys)
        if (its === tenant && state !== 'unknown' && states.get(id) !== state)
          ledger.blame(`key ${id}: told to be ${state}, is ${states.get(id)}`);
    }
  }

  async #isKey(key: ToldKey, token: string, status: number): Promise<void> {
    const answer = await this.#o.client.ask(token, 'GET', '/api/sandboxes?limit=1');
    if (answer?.code === 'RATE_LIMITED') {
      this.#o.ledger.count('wrong keys were too many');
      return;
    }
    if (answer?.status !== status)
      this.#o.ledger.blame(`key ${key.id} (${key.state}): ${answer?.status}, not ${status}`);
    this.#o.ledger.count(`a key that is ${status === 200 ? 'valid' : 'over'}: ${answer?.status}`);
  }

  async policies(): Promise<void> {
    const { ledger, random } = this.#o;
    const recent = ledger.policies.slice(-10);
    for (const told of new Set([...recent, ...random.some(ledger.policies, 5)])) {
      const path = `/api/policies/${told.name}?version=${told.version}`;
      const found = await this.#get(told.tenant, path);
      if (found?.body.digest !== told.digest)
        ledger.blame(
          `policy ${told.name}@${told.version} was stored: ${found?.text.slice(0, 300)}`,
        );
    }
  }

  async modules(): Promise<void> {
    const { ledger, random, client, tokens } = this.#o;
    const recent = ledger.modules.slice(-5);
    for (const told of new Set([...recent, ...random.some(ledger.modules, 2)])) {
      const body = { id: `${told.id}@${told.version}`, input: 20 };
      const path = '/api/effects/execute';
      const answer = await client.ask(tokens[told.tenant], 'POST', path, { body });
      if (answer?.body.result !== told.returns)
        ledger.blame(`module ${told.id} was registered: ${answer?.text.slice(0, 300)}`);
    }
  }

  /** Whole and in order, and with everything of which anybody was told. */
  audit(): void {
    const { ledger, state, killedMs } = this.#o;
    const path = join(state, 'audit');
    const { ok, findings } = verifyLog({ path, key: readPublicKey(`${path}.key.pub`) });
    if (!ok) ledger.blame(`audit: ${JSON.stringify(findings.slice(0, 3))}`);
    const wanted = ledger.records.splice(0);
    const events = [...new Set(wanted.map(({ event }) => event))];
    const found = new Map(events.map((event) => [event, [] as string[]]));
    for (const { event, run, sandbox, details } of readLog(path, { events }))
      found.get(event)?.push(`${run} ${sandbox} ${JSON.stringify(details)}`);
    const texts = new Map([...found].map(([event, all]) => [event, all.join('\n')]));
    for (const { event, about, toldMs } of wanted) {
      ledger.count(`audit: ${event} looked for`);
      if (texts.get(event)?.includes(about)) continue;
      const ms = Math.round(killedMs - toldMs);
      ledger.count(`audit: ${event} told, and missing`);
      ledger.blame(
        `audit: ${about} was told ${ms} ms before the kill, no record "${event}" is there`,
      );
    }
  }

  async works(): Promise<void> {
    const { ledger, client, tokens, state } = this.#o;
    const ready = await this.#get('acme', '/readyz');
    if (ready?.status !== 200) ledger.blame(`not ready: ${ready?.text}`);
    const body = { argv: ['echo', 'well'] };
    const ran = await client.ask(tokens.acme, 'POST', '/api/runs', { body });
    if (ran?.status !== 200) ledger.blame(`it does not work: ${ran?.status} ${ran?.text}`);
    // What replays made stays until the load; only those have a workspace.
    for (const name of ['workspaces', 'overlays']) {
      const directory = join(state, name);
      const names = existsSync(directory) ? readdirSync(directory) : [];
      ledger.count(`${name} after a start: ${names.length === 0 ? 'none' : 'some, of replays'}`);
    }
  }

  async #get(tenant: Tenant, path: string): Promise<Answer | undefined> {
    const { client, tokens, ledger } = this.#o;
    const answer = await client.ask(tokens[tenant], 'GET', path);
    if (answer === undefined) ledger.blame(`no answer: ${path}`);
    else if (answer.status >= 500) ledger.blame(`${path}: ${answer.status} ${answer.text}`);
    return answer;
  }
}

/** Refused before anything was done, and forgotten: the same may be tried again. */
function isForgotten({ code }: { readonly code?: string | undefined }): boolean {
  return ['DRAINING', 'QUEUE_FULL', 'RESOURCE_EXHAUSTED', 'QUOTA_EXCEEDED'].includes(code ?? '');
}

function codeIn(text: string): string | undefined {
  return /"code":"([A-Z_]+)"/.exec(text)?.[1];
}

/** A problem names the request that was answered with it, and may come late, in a body of its own. */
function withoutInstance(text: string): string {
  const { problem, ...rest } = JSON.parse(text) as Record<string, unknown>;
  const { instance: _, ...told } = (problem ?? rest) as Record<string, unknown>;
  return JSON.stringify(told);
}
