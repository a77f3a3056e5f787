/**
 * A command line of `run` or `shell`, carried out: policy, sandbox, streams, exit code.
 */
import { Caisson } from '../compose.ts';
import type { Outcome } from '../core/outcome.ts';
import type { AuditLog } from '../observe/audit/audit-log.ts';
import { OutputCapture } from '../sandbox/output-capture.ts';
import { callerEnvironment } from './caller-environment.ts';
import { claimsOf, trustOf } from './claims.ts';
import type { Invocation, Report } from './command.ts';
import { CommandTelemetry, tracedBy } from './command-telemetry.ts';
import { environmentOf } from './environment.ts';
import type { RunFlags } from './flags.ts';
import { holdPolicyFiles } from './hold-policy-files.ts';
import { acceptedOf, placeOf } from './place.ts';
import type { KnownPlan } from './plan-cache.ts';
import { publishedPorts } from './published-ports.ts';
import { rememberRun } from './remember-run.ts';
import { report } from './report-outcome.ts';
import { type Guest, runGuest } from './run-guest.ts';
import { secretValues } from './secret-values.ts';
import { hasTerminal, terminalSize } from './terminal.ts';
import type { VouchingFlags } from './vouching-flags.ts';

/** Where the policy keeps any amount of output, --json still answers with one document. */
const CAPTURE_MAX = 64 * 1024 * 1024;

export async function runCommand(
  { flags, argv, json }: Invocation<RunFlags & VouchingFlags>,
  { ctrlCTwice }: { readonly ctrlCTwice: boolean },
): Promise<Report> {
  const asks = flags.ask === true;
  const terminal = !asks && (flags.tty ?? (hasTerminal() && !json));
  const env = environmentOf(flags);
  const files: KnownPlan['files'][number][] = [];
  const asked = await placeOf(flags, undefined, (path, text) =>
    files.push({ path, text: Buffer.from(text).toString() }),
  );
  const paths = files.map(({ path }) => path);
  const place = { ...asked, policy: holdPolicyFiles(asked.policy, asked.workspace, paths) };
  const claims = claimsOf(flags, place.policy);
  using secrets = secretValues(place.policy);
  await using audit = flags.audit === undefined ? undefined : await openAudit(flags.audit);
  await using telemetry = await CommandTelemetry.open(flags);
  const traced = tracedBy(telemetry);
  await using caisson = await Caisson.open({
    environment: callerEnvironment(secrets.names),
    ...traced.open,
    ...trustOf(flags),
    ...(audit === undefined ? {} : { audit }),
    ...(asks ? { ask: (await import('./ask-person.ts')).askPerson() } : {}),
  });
  const guest = await caisson.spawn(argv, {
    ...place,
    ...traced.call,
    secrets: secrets.values,
    accept: acceptedOf(flags),
    ...(claims === undefined ? {} : { claims }),
    env,
    ...publishedPorts(flags.publish),
    ...(flags.cwd === undefined ? {} : { cwd: flags.cwd }),
    ...(terminal ? { pty: terminalSize() } : {}),
  });
  secrets[Symbol.dispose]();
  // A known run is the launcher's alone: nobody would record it, or answer.
  const alone = !asks && audit === undefined && place.policy.fileRefusals === undefined;
  if (!terminal && !json && alone && flags.publish === undefined)
    await rememberRun(caisson, place, flags, files);
  const capture = json ? captureOf(guest, place.policy.limits.outputBytes) : undefined;
  const ended = await runGuest(guest, { terminal, ctrlCTwice, captured: json, noInput: asks });
  return report(capture === undefined ? ended : { ...ended, outcome: capture(ended.outcome) });
}

async function openAudit(directory: string): Promise<AuditLog> {
  const { AuditLog } = await import('../observe/audit/audit-log.ts');
  return await AuditLog.open({ directory });
}

/** @returns puts what was captured into the outcome */
function captureOf(guest: Guest, limit: number | null): (outcome: Outcome) => Outcome {
  const bytes = Math.min(limit ?? CAPTURE_MAX, CAPTURE_MAX);
  const [stdout, stderr] = [new OutputCapture(bytes), new OutputCapture(bytes)];
  guest.stdout.on('data', (chunk: Buffer) => stdout.add(chunk));
  guest.stderr.on('data', (chunk: Buffer) => stderr.add(chunk));
  return (outcome) => {
    const kept = { ...outcome, stdout: stdout.finish(), stderr: stderr.finish() };
    const cut = kept.stdout.truncated || kept.stderr.truncated;
    if (!cut || kept.limitsHit.includes('output')) return kept;
    return { ...kept, limitsHit: [...kept.limitsHit, 'output'] };
  };
}
