/**
 * Every instrument, once: its name, its unit, what it counts. docs/telemetry.md lists them; a test holds it to this.
 */
import type { Counter, Histogram, Meter } from '@opentelemetry/api';

/** Of seconds: an evaluation takes a tenth of a millisecond, a build an hour. */
const SECONDS = [
  0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5,
  10, 30, 60, 300, 1800, 3600,
];
const SCORES = [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100];

export interface Instruments {
  readonly runs: Histogram;
  readonly launches: Histogram;
  readonly teardowns: Histogram;
  readonly evaluations: Counter;
  readonly hosts: Counter;
  readonly violations: Counter;
  readonly limits: Counter;
  readonly refusals: Counter;
  readonly leaks: Counter;
  readonly destroyed: Counter;
  readonly admissions: Counter;
  readonly scores: Histogram;
  readonly modules: Counter;
  readonly network: Counter;
  readonly states: Counter;
  readonly alerts: Counter;
  readonly operations: Histogram;
  readonly requests: Histogram;
  readonly failures: Counter;
  readonly unsent: Counter;
}

export function makeInstruments(meter: Meter): Instruments {
  const seconds = (name: string, description: string): Histogram =>
    meter.createHistogram(name, {
      unit: 's',
      description,
      advice: { explicitBucketBoundaries: SECONDS },
    });
  const counter = (name: string, unit: string, description: string): Counter =>
    meter.createCounter(name, { unit, description });
  return {
    runs: seconds(
      'caisson.run.duration',
      'Runs and evaluations, from request until nothing is left',
    ),
    launches: seconds('caisson.launch.duration', 'From request until the guest ran'),
    teardowns: seconds(
      'caisson.teardown.duration',
      'From the end of the guest until nothing is left',
    ),
    evaluations: counter('caisson.evaluations', '{evaluation}', 'Programs evaluated'),
    hosts: counter('caisson.hosts.ended', '{host}', 'Host processes of programs that ended'),
    violations: counter('caisson.violations', '{violation}', 'What guests tried and were refused'),
    limits: counter('caisson.limits.hit', '{limit}', 'Limits that guests ran into'),
    refusals: counter(
      'caisson.refusals',
      '{request}',
      'Requests that were not carried out, by code',
    ),
    leaks: counter(
      'caisson.leaks',
      '{sandbox}',
      'Sandboxes that ended with processes of the guest left, which were then killed',
    ),
    destroyed: counter('caisson.destroyed', '{sandbox}', 'Sandboxes of which nothing is left'),
    admissions: counter('caisson.admissions', '{decision}', 'Decisions whether code may run'),
    scores: meter.createHistogram('caisson.threat.score', {
      description: 'Threat scores of code that was looked at, 0 to 100',
      advice: { explicitBucketBoundaries: SCORES },
    }),
    modules: counter('caisson.modules', '{module}', 'What became of registered modules'),
    network: counter('caisson.network.decisions', '{decision}', 'Connections and names asked for'),
    states: counter(
      'caisson.sandbox.states',
      '{transition}',
      'States that managed sandboxes reached',
    ),
    alerts: counter('caisson.alerts', '{alert}', 'Thresholds of the monitor that were crossed'),
    operations: seconds(
      'caisson.operation.duration',
      'Calls of the library, as their caller waits',
    ),
    requests: seconds('http.server.request.duration', 'Duration of HTTP server requests'),
    failures: counter('caisson.telemetry.failures', '{export}', 'Exports that failed or timed out'),
    unsent: counter('caisson.telemetry.unsent', '{item}', 'Items of exports that failed'),
  };
}
