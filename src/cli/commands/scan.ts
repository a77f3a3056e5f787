/** `caisson scan`. Exit code 77 where something is refused, 65 where something could not be looked at. */
import { statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { isatty } from 'node:tty';
import { isArchiveName } from '../../admission/archive/open-archive.ts';
import { parseCapabilities } from '../../admission/scan/parse-capabilities.ts';
import type { ScanDecision, ScanReport } from '../../admission/scan/report.ts';
import { toSarif } from '../../admission/scan/sarif.ts';
import { scan } from '../../admission/scan/scan.ts';
import type { ScanEvent, ScanOptions } from '../../admission/scan/scan-options.ts';
import { Caisson } from '../../compose.ts';
import type { Behave } from '../../core/admission.ts';
import { CaissonError, errorCodes } from '../../core/error.ts';
import { parseCount, parseDuration } from '../../core/units.ts';
import { version } from '../../core/version.ts';
import { behaviourUnder } from '../../learn/behaviour.ts';
import { defaultStateDirectory, openStateDirectory } from '../../sandbox/state-directory.ts';
import { ThreatStore } from '../../store/threat-store.ts';
import { callerEnvironment } from '../caller-environment.ts';
import type { Action, FlagValues } from '../command.ts';
import { policyOf } from '../policy-request.ts';
import type { ScanFlags } from '../scan-commands.ts';
import { scanProgress } from '../scan-progress.ts';
import { behaviourText, fileText, paintFor, rootText, summaryText } from '../scan-text.ts';
import { terminalSize } from '../terminal.ts';
import { writeAll } from '../write-all.ts';

type Values = FlagValues<ScanFlags>;

const EXITS: Readonly<Record<ScanDecision, number>> = {
  passed: 0,
  suspicious: 0,
  incomplete: errorCodes.MODULE_CODE_INVALID.exit,
  refused: errorCodes.MODULE_REFUSED.exit,
};

export const action: Action<ScanFlags> = async ({ flags, positionals, argv, json }) => {
  const directory = checkRun(flags, positionals, argv);
  if (json && flags.sarif === true) {
    throw invalid('--json and --sarif are two documents', 'leave one out');
  }
  const options = await optionsOf(flags);
  const isText = !json && flags.sarif !== true;
  const opened = flags.store === false ? {} : openStore();
  const paint = paintFor(isText && isatty(1), process.env);
  const onTerminal = isatty(2);
  const progress = scanProgress(onTerminal, terminalSize().columns, (text) => {
    process.stderr.write(text);
  });
  // One after the other, in the order in which they come.
  let written = Promise.resolve();
  const onEvent = (event: ScanEvent): void => {
    if (event.kind === 'progress') progress.at(event.done, event.total, event.path);
    if (event.kind === 'progress' || !isText) return;
    progress.clear();
    const [to, text] =
      event.kind === 'root'
        ? ([2, `caisson: ${rootText(event.root)}\n`] as const)
        : ([1, fileText(event.file, options.threshold ?? 80, paint)] as const);
    written = written.then(() => writeAll(to, text));
  };
  const { store, note } = opened;
  const stop = new AbortController();
  const onInterrupt = (): void => stop.abort(new CaissonError('ABORTED', { layer: 'cli' }));
  process.once('SIGINT', onInterrupt);
  let report: ScanReport;
  try {
    const kept = store === undefined ? {} : { store };
    const run = directory === undefined ? {} : { run: { command: argv, directory, behave } };
    report = await scan(positionals, { ...options, ...kept, ...run, onEvent, signal: stop.signal });
  } finally {
    process.off('SIGINT', onInterrupt);
    progress.clear();
    store?.close();
    await written;
  }
  const { behaviour } = report;
  const ran = behaviour === undefined ? '' : behaviourText(behaviour, paint);
  return {
    exit: EXITS[report.decision],
    document: report,
    text:
      flags.sarif === true
        ? `${JSON.stringify(toSarif(report, version), null, 1)}\n`
        : `${ran}${summaryText(report, paint)}`,
    notes: note === undefined ? [] : [note],
  };
};

/** @returns the directory that a command is to be run over; undefined where none is */
function checkRun(
  { run }: Values,
  [path]: readonly string[],
  argv: readonly string[],
): string | undefined {
  if (run !== true) {
    if (argv.length === 0) return undefined;
    throw invalid('a scan runs nothing', '--run -- COMMAND runs it behind the strict wall');
  }
  if (argv.length === 0 || path === undefined) {
    throw invalid('--run needs a command', 'caisson scan PATH --run -- node index.js');
  }
  const stat = statSync(path, { throwIfNoEntry: false });
  const directory = stat?.isDirectory() === false ? dirname(path) : path;
  if (stat?.isFile() === true && isArchiveName(path)) {
    throw invalid('an archive is not unpacked', 'unpack it, and scan the directory with --run');
  }
  return directory;
}

const behave: Behave = async ({ directory, ...request }) => {
  await using caisson = await Caisson.open({ environment: callerEnvironment() });
  return await behaviourUnder(caisson)({ ...request, directory: resolve(directory) });
};

async function optionsOf(flags: Values): Promise<ScanOptions> {
  const { profile, declare = [], threshold, 'list-from': listFrom, jobs, policy, model } = flags;
  const timeLimit = flags['time-limit'];
  const scanPolicy =
    policy === undefined
      ? undefined
      : (await policyOf({ document: {}, file: policy })).admission?.scan;
  return {
    ...(profile === undefined ? {} : { profile: profile as 'effect' | 'package' }),
    declares: [...(scanPolicy?.declares ?? []), ...declare.flatMap(parseCapabilities)],
    trustManifest: flags['trust-manifest'] === true,
    threshold:
      threshold === undefined ? (scanPolicy?.refuse ?? 80) : scoreOf(threshold, 'threshold'),
    ...(listFrom === undefined ? {} : { listFrom: scoreOf(listFrom, 'list-from') }),
    model: model ?? scanPolicy?.model ?? true,
    waivers: scanPolicy?.waivers ?? [],
    threads: {
      ...(jobs === undefined ? {} : { threads: threadsOf(jobs) }),
      ...(timeLimit === undefined ? {} : { timeLimitMs: parseDuration(timeLimit) }),
    },
  };
}

/** A store that cannot be used costs time and statistics, and no protection. */
function openStore(): { store?: ThreatStore; note?: string } {
  try {
    const directory = openStateDirectory(defaultStateDirectory());
    return { store: ThreatStore.open(ThreatStore.fileIn(directory)) };
  } catch (error) {
    return { note: `nothing is kept of this scan: ${(error as Error).message}` };
  }
}

function scoreOf(text: string, flag: string): number {
  const score = parseCount(text);
  if (score <= 100) return score;
  throw invalid(`--${flag} ${text}: a score is 0 to 100`, `--${flag} 80`);
}

function threadsOf(text: string): number {
  const threads = parseCount(text);
  if (threads >= 1 && threads <= 256) return threads;
  throw invalid(`--jobs ${text} cannot be`, 'give 1 to 256');
}

function invalid(message: string, hint: string): CaissonError {
  return new CaissonError('REQUEST_INVALID', { layer: 'cli', message, hint });
}
