/**
 * A kind of sandbox whose every run says when it was launched, when its guest ran and when it was gone, and whose guests
 * are told their place in the trace. The times are the launcher's own.
 */
import type {
  Execution,
  OpenSandbox,
  PreparedKind,
  RawResult,
  RawUsage,
} from '../backends/backend.ts';
import type { Telemetry } from '../core/telemetry.ts';
import type { Ties } from '../launcher/ties.ts';
import type { Job } from '../plan/plan.ts';

export function tracedKind(kind: PreparedKind, telemetry: Telemetry): PreparedKind {
  const { keepReady } = kind;
  return {
    get ready() {
      return kind.ready;
    },
    run: (job, ties) => tracedRun(telemetry, job, (told) => kind.run(told, ties)),
    spawn: (job, ties) => tracedSpawn(telemetry, job, (told) => kind.spawn(told, ties)),
    open: (job, ties) => tracedOpen(telemetry, kind.open(job, ties)),
    ...(keepReady === undefined ? {} : { keepReady: (slots) => keepReady.call(kind, slots) }),
    close: () => kind.close(),
  };
}

async function tracedRun(
  telemetry: Telemetry,
  job: Job,
  run: (job: Job) => Promise<RawResult>,
): Promise<RawResult> {
  const startMs = performance.now();
  try {
    const raw = await run(told(job, telemetry));
    noteSteps(telemetry, startMs, raw);
    return raw;
  } catch (error) {
    telemetry.begin('caisson.launch', { startMs }).end(error);
    throw error;
  }
}

function tracedSpawn(telemetry: Telemetry, job: Job, spawn: (job: Job) => Execution): Execution {
  const startMs = performance.now();
  const execution = spawn(told(job, telemetry));
  // Where it is asked for, not where it ends: then nothing may be active any more.
  const { active } = telemetry;
  if (active === undefined) return execution;
  execution.result.then(
    (raw) => telemetry.within(active, () => noteSteps(telemetry, startMs, raw)),
    (error) =>
      telemetry.within(active, () => telemetry.begin('caisson.launch', { startMs }).end(error)),
  );
  return execution;
}

function tracedOpen(telemetry: Telemetry, open: OpenSandbox): OpenSandbox {
  const launch = telemetry.begin('caisson.launch');
  open.opened.then(
    () => launch.end(),
    (error) => launch.end(error),
  );
  return {
    opened: open.opened,
    closed: open.closed,
    run: (job: Job, ties?: Ties) => tracedRun(telemetry, job, (guest) => open.run(guest, ties)),
    spawn: (job: Job, ties?: Ties) =>
      tracedSpawn(telemetry, job, (guest) => open.spawn(guest, ties)),
    files: (request) => open.files(request),
    freeze: (frozen) => open.freeze(frozen),
    usage: () => open.usage(),
    close: () => tracedClose(telemetry, open),
  };
}

async function tracedClose(telemetry: Telemetry, open: OpenSandbox): Promise<void> {
  const span = telemetry.begin('caisson.destroy');
  try {
    await open.close();
    const raw: RawUsage | undefined = await open.closed.catch(() => undefined);
    span.set({ 'caisson.left_behind': raw?.leftBehind });
    span.end();
  } catch (error) {
    span.end(error);
    throw error;
  }
}

/** One after the other, from when it was asked for: what the launcher measured has no clock of its own. */
function noteSteps(telemetry: Telemetry, startMs: number, raw: RawResult): void {
  const ranMs = startMs + raw.launchNs / 1e6;
  const endedMs = ranMs + raw.runNs / 1e6;
  const goneMs = endedMs + raw.teardownNs / 1e6;
  const launch = telemetry.begin('caisson.launch', { startMs });
  launch.set({ 'caisson.launch.warm': raw.warm });
  launch.end(undefined, ranMs);
  telemetry.begin('caisson.guest', { startMs: ranMs }).end(undefined, endedMs);
  const destroy = telemetry.begin('caisson.destroy', { startMs: endedMs });
  destroy.set({ 'caisson.left_behind': raw.leftBehind });
  destroy.end(undefined, goneMs);
}

/** What the policy passes on or its caller set under these names stands. */
function told(job: Job, telemetry: Telemetry): Job {
  const context = telemetry.reachesGuests ? telemetry.active?.context : undefined;
  if (context === undefined || job.env.some(([name]) => name === 'TRACEPARENT')) return job;
  const { traceparent, tracestate } = context;
  const place: (readonly [string, string])[] = [['TRACEPARENT', traceparent]];
  const isSet = tracestate === undefined || job.env.some(([name]) => name === 'TRACESTATE');
  if (!isSet) place.push(['TRACESTATE', tracestate]);
  return { ...job, env: [...job.env, ...place] };
}
