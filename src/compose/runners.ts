/**
 * From a policy and a place to what runs there: planned once, prepared once, used again. Kinds of plan that are run again
 * and again are kept warm.
 */
import type { StartedHost } from '../backends/host-process.ts';
import { hostProgram } from '../backends/host-program.ts';
import type { HostKind } from '../backends/program.ts';
import type { BackendRegistry } from '../backends/registry.ts';
import { newId } from '../core/ids.ts';
import type { Recorder } from '../core/ports.ts';
import { type Telemetry, traced } from '../core/telemetry.ts';
import { compile } from '../plan/compile.ts';
import { hostPolicy } from '../plan/host-policy.ts';
import type { Policy } from '../policy/policy.ts';
import { sideChannelsOf } from '../policy/side-channels.ts';
import type { EnvironmentSource } from '../sandbox/caller-environment.ts';
import type { AdmitCommand } from '../sandbox/commands.ts';
import type { GuestProcess } from '../sandbox/guest-process.ts';
import { Journal } from '../sandbox/journal.ts';
import type { Networks } from '../sandbox/networks.ts';
import { type Place, type PlaceFinder, workspaceOf } from '../sandbox/place.ts';
import type { CodeClaims, PlaceOptions } from '../sandbox/place-options.ts';
import type { PolicyBook, PolicyEntry } from '../sandbox/policy-book.ts';
import { Runner } from '../sandbox/run.ts';
import type { Sandbox } from '../sandbox/sandbox.ts';
import type { AdmissionGate } from './admission-gate.ts';
import { scriptsInside } from './guest-scripts.ts';
import type { Launchers } from './launchers.ts';
import { tracedPlan } from './steps.ts';
import { tracedKind } from './traced-kind.ts';

/** Kinds of plan that are run again and again keep one sandbox ready without being asked to; so many kinds at once. */
const KEPT_WARM = 8;
/** A sandbox that stays runs anything: what a shell would find is shown. */
export const ANY_COMMAND = 'sh';

export interface RunnersSetup {
  readonly launchers: Launchers;
  readonly registry: BackendRegistry;
  readonly networks: Networks;
  readonly places: PlaceFinder;
  readonly book: PolicyBook;
  readonly recorder: Recorder | undefined;
  readonly environment: EnvironmentSource;
  readonly state: () => string;
  readonly gate: AdmissionGate;
  /** Absent: nobody traces anything. */
  readonly telemetry: Telemetry | undefined;
  /** Open ones, to be closed with everything else. */
  readonly sandboxes: Set<Sandbox>;
}

export class Runners {
  readonly #setup: RunnersSetup;
  /** Prepared by name: their slots are the caller's affair. */
  readonly #prepared = new WeakSet<Runner>();
  readonly #warm: Runner[] = [];

  constructor(setup: RunnersSetup) {
    this.#setup = setup;
  }

  /** What is known is returned as it is: a run of a known policy waits for nothing. */
  find(entry: PolicyEntry, options: PlaceOptions, place: Place): Runner | Promise<Runner> {
    const { telemetry } = this.#setup;
    return telemetry === undefined
      ? this.#find(entry, options, place)
      : tracedPlan(telemetry, () => this.#find(entry, options, place));
  }

  #find(entry: PolicyEntry, options: PlaceOptions, place: Place): Runner | Promise<Runner> {
    const key = keyOf(options, place);
    const known = entry.runners.get(key);
    if (known !== undefined) return known;
    const made = this.#make(entry, options, place);
    entry.runners.set(key, made);
    made.then(
      (runner) => entry.runners.get(key) === made && entry.runners.set(key, runner),
      // A refusal is not remembered: the host may be cured, the path may appear.
      () => entry.runners.get(key) === made && entry.runners.delete(key),
    );
    return made;
  }

  async #make(entry: PolicyEntry, options: PlaceOptions, place: Place, slots = 0): Promise<Runner> {
    const facts = await this.#setup.launchers.facts();
    const compiled = compile(entry.policy, facts, {
      ...place.compile,
      ...unisolated(options),
    });
    const kind = this.#setup.registry.get(compiled.wall).prepare(compiled, {
      slots,
      recycleNetwork: recycles(options),
    });
    const { telemetry } = this.#setup;
    const journal = this.journal(entry, compiled.wall, options.tenant);
    const redacts = sideChannelsOf(entry.policy).redact;
    return new Runner({
      policy: entry.policy,
      policyDigest: entry.digest,
      compiled,
      kind: telemetry === undefined ? kind : tracedKind(kind, telemetry),
      ...(telemetry === undefined ? {} : { telemetry }),
      accept: options.accept ?? [],
      environment: this.#setup.environment,
      ...(place.toolchain === undefined ? {} : { toolchain: place.toolchain }),
      ...(place.worktree === undefined ? {} : { worktree: place.worktree }),
      state: this.#setup.state(),
      launcher: this.#setup.launchers.program,
      ...(journal === undefined ? {} : { journal }),
      ...this.#setup.networks.forRuns(entry.policy, compiled, journal, options.tenant),
      ...(redacts
        ? { redactor: ({ secrets }) => this.#setup.networks.redactor(entry.policy, secrets) }
        : {}),
      ...(entry.policy.admission === undefined
        ? {}
        : { admit: (claims) => this.#admit(entry, options, place, claims) }),
      onOpen: (sandbox) => this.#setup.sandboxes.add(sandbox),
      onClose: (sandbox) => this.#setup.sandboxes.delete(sandbox),
    });
  }

  /** @param claims of the sandbox: a runner is of many */
  #admit(
    entry: PolicyEntry,
    { claims: _, ...options }: PlaceOptions,
    place: Place,
    claims: CodeClaims | undefined,
  ): AdmitCommand {
    const claimed = claims === undefined ? options : { ...options, claims };
    return ({ read, cwd, ...request }) =>
      this.#setup.gate.inside(
        entry,
        { ...request, read: scriptsInside(entry.policy, place, cwd, read) },
        claimed,
      );
  }

  /** Made anew, with so many sandboxes ready; earlier ones end. */
  async prepare(
    entry: PolicyEntry,
    options: PlaceOptions,
    place: Place,
    slots: number,
  ): Promise<void> {
    const key = keyOf(options, place);
    const earlier = entry.runners.get(key);
    const made = this.#make(entry, options, place, slots);
    entry.runners.set(key, made);
    try {
      const runner = await made;
      this.#prepared.add(runner);
      entry.runners.set(key, runner);
      await runner.kind.ready;
    } catch (error) {
      entry.runners.delete(key);
      throw error;
    }
    await (await earlier)?.kind.close();
  }

  journal(entry: PolicyEntry, wall: string, tenant: string | undefined): Journal | undefined {
    if (this.#setup.recorder === undefined) return undefined;
    return new Journal(this.#setup.recorder, {
      policy: entry.policy.name,
      policyDigest: entry.digest,
      wall,
      ...(tenant === undefined ? {} : { tenant }),
    });
  }

  /** A host process of programs is a run like any other: planned, refused, recorded and accounted for. */
  startHost(guest: Policy, options: PlaceOptions, needs: HostKind): Promise<StartedHost> {
    const { telemetry } = this.#setup;
    if (telemetry === undefined) return this.#startHost(guest, options, needs);
    const attributes = { 'caisson.engine': needs.engine };
    return traced(telemetry, 'caisson.host', { attributes }, () =>
      this.#startHost(guest, options, needs),
    );
  }

  async #startHost(guest: Policy, options: PlaceOptions, needs: HostKind): Promise<StartedHost> {
    const { argv, read, baseBytes } = hostProgram(needs, namedPaths(guest));
    const { memoryBytes } = needs;
    const policy = Object.freeze(hostPolicy(guest, { read, memoryBytes, baseBytes }));
    const entry = await this.#setup.book.entry(policy);
    const place = this.#setup.places.find(policy, undefined, argv[0]);
    const runner = await this.find(entry, options, place);
    const spawn = (): Promise<GuestProcess> =>
      runner.spawn(commandOf(argv, place), { background: true }, undefined, newId('run'));
    const { telemetry } = this.#setup;
    // It lives through many evaluations: what it does is of no one trace.
    const started = await (telemetry === undefined ? spawn() : telemetry.apart(spawn));
    return { guest: started, ...runner.context };
  }

  async keepReady(place: PlaceOptions, command: string | undefined, slots: number): Promise<void> {
    const entry = await this.#setup.book.entry(place.policy ?? 'strict');
    const at = this.#setup.places.find(
      entry.policy,
      workspaceOf(place.workspace),
      command ?? ANY_COMMAND,
    );
    const runner = await this.find(entry, place, at);
    this.#prepared.add(runner);
    runner.kind.keepReady?.(slots);
  }

  /** Its sandboxes that wait end, and its plans are let go of; what runs goes on. */
  forget({ runners }: PolicyEntry): void {
    for (const runner of runners.values()) {
      Promise.resolve(runner)
        .then(({ kind }) => kind.close())
        .catch(() => {});
    }
    runners.clear();
  }

  keepWarm(runner: Runner): void {
    if (runner.kind.keepReady === undefined || this.#prepared.has(runner)) return;
    runner.kind.keepReady(1);
    this.#warm.push(runner);
    if (this.#warm.length > KEPT_WARM) this.#warm.shift()?.kind.keepReady?.(0);
  }
}

/** What a policy names beside the workspace. */
function namedPaths({ view, read }: Policy): string[] {
  if (view === 'host') return [];
  return read.rules.flatMap(({ path, include }) => (include && path.startsWith('/') ? [path] : []));
}

export function unisolated({ allowUnisolated }: PlaceOptions): { allowUnisolated?: boolean } {
  return allowUnisolated === undefined ? {} : { allowUnisolated };
}

function keyOf(options: PlaceOptions, place: Place): string {
  const accept = options.accept === undefined ? '' : [...options.accept].sort().join(',');
  return `${options.tenant ?? ''}\0${accept}\0${options.allowUnisolated === true}\0${recycles(options)}\0${place.key}`;
}

/** Whose runs are nobody's have nobody to take a namespace over from. */
function recycles({ recycleNetwork, tenant }: PlaceOptions): boolean {
  return recycleNetwork === true && tenant !== undefined;
}

/** Another word than was given only where that was the path of a version manager's shim. */
export function commandOf(argv: readonly string[], { toolchain }: Place): readonly string[] {
  return toolchain === undefined || toolchain.command === argv[0]
    ? argv
    : argv.with(0, toolchain.command);
}
