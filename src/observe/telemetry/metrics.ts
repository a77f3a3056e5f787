/**
 * Metrics of what happens: each event moves its instruments. Labels are words of ours alone, never of a guest's, and no
 * ids: how many series there are does not depend on what runs.
 */
import type { Attributes, Meter } from '@opentelemetry/api';
import { errorCodes } from '../../core/error.ts';
import type { Outcome } from '../../core/outcome.ts';
import type { ObservedEvent } from '../../core/ports.ts';
import type { SpanAttributes, SpanOptions } from '../../core/telemetry.ts';
import { isHostPolicy } from '../../plan/host-policy.ts';
import { type Instruments, makeInstruments } from './instruments.ts';
import { observeSources, type Sources } from './sources.ts';

/** Walls of programs rather than of commands. */
const ENGINES: ReadonlySet<string> = new Set(['isolate', 'wasm']);
/** What began and never told its end, such as the commands of a caller that was killed, is forgotten at some point. */
const RUNNING_MAX = 100_000;

export class Metrics {
  readonly instruments: Instruments;
  readonly #running = new Map<string, { readonly isHost: boolean }>();
  readonly #hosts = new Set<string>();
  readonly #sources = new Set<Sources>();
  readonly #namesTenants: boolean;

  constructor(meter: Meter, { tenants }: { readonly tenants: boolean }) {
    this.#namesTenants = tenants;
    this.instruments = makeInstruments(meter);
    this.#begin();
    observeSources(meter, this.#sources, () => this.#counts());
  }

  watch(sources: Sources): Disposable {
    this.#sources.add(sources);
    return { [Symbol.dispose]: () => this.#sources.delete(sources) };
  }

  readonly observe = (event: ObservedEvent): void => {
    const { instruments: of } = this;
    const about = this.#about(event);
    switch (event.kind) {
      case 'created':
        if (isHostPolicy(event.policy)) this.#hosts.add(event.id);
        return;
      case 'started':
        if (this.#running.size < RUNNING_MAX) {
          this.#running.set(event.id, { isHost: this.#hosts.has(event.id) });
        }
        return;
      case 'ended':
        this.#ended(event.id, event.outcome, event.argv, about);
        return;
      case 'refused':
        this.#forget(event.id);
        this.#hosts.delete(event.id);
        of.refusals.add(1, { ...about, 'error.type': codeOf(event.code) });
        return;
      case 'violation':
        of.violations.add(event.violation.count ?? 1, {
          ...about,
          'caisson.violation.kind': event.violation.kind,
        });
        return;
      case 'limit':
        of.limits.add(1, { ...about, 'caisson.limit': event.limit });
        return;
      case 'destroyed':
        this.#destroyed(event.id, event.leftBehind, about);
        return;
      case 'admission': {
        const { decision, score } = event.admission;
        const labels = { ...about, 'caisson.admission.decision': decision };
        of.admissions.add(1, labels);
        if (score !== undefined) of.scores.record(score, labels);
        return;
      }
      case 'module':
        of.modules.add(1, { ...about, 'caisson.module.action': event.action });
        return;
      case 'network':
        of.network.add(1, { ...about, 'caisson.network.allowed': event.allowed });
        return;
      case 'state':
        of.states.add(1, { ...about, 'caisson.sandbox.state': event.state });
        return;
      case 'alert':
        of.alerts.add(1, about);
        return;
      case 'network-changed':
        return;
    }
  };

  readonly measure = (
    name: string,
    kind: SpanOptions['kind'],
    seconds: number,
    attributes: SpanAttributes,
  ): void => {
    if (kind === 'server') {
      this.instruments.requests.record(seconds, requestLabels(attributes));
      return;
    }
    if (!OPERATIONS.has(name)) return;
    const failed = attributes['error.type'];
    this.instruments.operations.record(seconds, {
      'caisson.operation': name.slice('caisson.'.length),
      ...(failed === undefined ? {} : { 'error.type': codeOf(String(failed)) }),
    });
  };

  /** A rate over a counter that appears with its first increment misses that increment: they begin at 0. */
  #begin(): void {
    const { leaks, destroyed, violations, admissions, failures } = this.instruments;
    leaks.add(0);
    destroyed.add(0);
    for (const kind of ['syscall', 'network', 'file', 'limit']) {
      violations.add(0, { 'caisson.violation.kind': kind });
    }
    for (const decision of ['admitted', 'strengthened', 'refused']) {
      admissions.add(0, { 'caisson.admission.decision': decision });
    }
    for (const signal of ['traces', 'metrics', 'logs']) {
      failures.add(0, { 'caisson.telemetry.signal': signal });
    }
  }

  #ended(id: string, outcome: Outcome, argv: readonly string[], about: Attributes): void {
    const isHost = this.#running.get(id)?.isHost === true || this.#hosts.has(id);
    this.#forget(id);
    const { instruments: of } = this;
    const { wall, kind, timing } = outcome;
    if (isHost) {
      of.hosts.add(1, { 'caisson.outcome.kind': kind });
      return;
    }
    const place = { ...about, 'caisson.wall': wall };
    const labels = { ...place, 'caisson.outcome.kind': kind };
    const { launchMs, runMs, teardownMs } = timing;
    of.runs.record((launchMs + runMs + teardownMs) / 1000, labels);
    of.launches.record(launchMs / 1000, place);
    if (ENGINES.has(wall)) of.evaluations.add(1, { ...labels, 'caisson.language': argv[0] ?? '' });
    else of.teardowns.record(teardownMs / 1000, place);
  }

  #destroyed(id: string, leftBehind: number, about: Attributes): void {
    const isHost = this.#hosts.delete(id);
    this.instruments.destroyed.add(1, about);
    // What a host of programs leaves is ours, and is waited for elsewhere; a guest cannot start a process there.
    if (leftBehind > 0 && !isHost) this.instruments.leaks.add(1, about);
  }

  #forget(id: string): void {
    this.#running.delete(id);
  }

  #counts(): { running: number; hosts: number } {
    let hosts = 0;
    for (const { isHost } of this.#running.values()) if (isHost) hosts++;
    return { running: this.#running.size - hosts, hosts };
  }

  #about({ tenant }: ObservedEvent): Attributes {
    return this.#namesTenants && tenant !== undefined ? { 'caisson.tenant': tenant } : {};
  }
}

const OPERATIONS: ReadonlySet<string> = new Set([
  'caisson.run',
  'caisson.spawn',
  'caisson.evaluate',
  'caisson.create',
  'caisson.exec',
  'caisson.close',
  'caisson.module.register',
  'caisson.module.execute',
]);

/** Whether the duration of such a span is a metric. */
export function isMeasured(name: string, kind: SpanOptions['kind']): boolean {
  return kind === 'server' || OPERATIONS.has(name);
}

/** A code of ours, or `_OTHER`: names of others' errors have no bound. */
function codeOf(code: string): string {
  return Object.hasOwn(errorCodes, code) ? code : '_OTHER';
}

function requestLabels(attributes: SpanAttributes): Attributes {
  const method = String(attributes['http.request.method'] ?? '');
  const found: Record<string, string | number | boolean> = {
    'http.request.method': METHODS.has(method) ? method : '_OTHER',
  };
  for (const name of ['http.route', 'http.response.status_code']) {
    const value = attributes[name];
    if (value !== undefined) found[name] = value;
  }
  const failed = attributes['error.type'];
  if (failed !== undefined) found['error.type'] = codeOf(String(failed));
  return found;
}

/** RFC 9110 and PATCH: whatever else a client sends is one label. */
const METHODS: ReadonlySet<string> = new Set([
  'CONNECT',
  'DELETE',
  'GET',
  'HEAD',
  'OPTIONS',
  'PATCH',
  'POST',
  'PUT',
  'TRACE',
]);
