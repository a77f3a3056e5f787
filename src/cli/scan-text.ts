/** What `caisson scan` says to people: pure, so that it is tested without a terminal. Nothing in it steers one. */

import type { SkipReason } from '../admission/scan/code-files.ts';
import type { ScannedFile, ScanReport, ScanRoot, ShownFinding } from '../admission/scan/report.ts';
import { showable } from '../admission/scan/snippet.ts';
import type { Behaviour } from '../core/admission.ts';

export interface Paint {
  readonly red: (text: string) => string;
  readonly yellow: (text: string) => string;
  readonly bold: (text: string) => string;
  readonly dim: (text: string) => string;
}

const plain = (text: string): string => text;
const coded =
  (code: number) =>
  (text: string): string =>
    `\u001b[${code}m${text}\u001b[0m`;

/** Colours where whoever reads it sees them, and did not ask for none (no-color.org). */
export function paintFor(isTerminal: boolean, environment: NodeJS.ProcessEnv): Paint {
  const isPlain = !isTerminal || (environment.NO_COLOR ?? '') !== '' || environment.TERM === 'dumb';
  if (isPlain) return { red: plain, yellow: plain, bold: plain, dim: plain };
  return { red: coded(31), yellow: coded(33), bold: coded(1), dim: coded(2) };
}

/** Findings of a file that are shown; --json has more. */
const FINDINGS_SHOWN = 5;

export function rootText({ path, profile, because }: ScanRoot): string {
  return `profile ${profile} for ${showable(path)}: ${because}`;
}

export function fileText(file: ScannedFile, threshold: number, paint: Paint): string {
  const { path, language, score, findings, omitted, runsOnInstall, digest, ran } = file;
  const isRefused = score >= threshold;
  const head = `${isRefused ? 'refused' : 'suspicious'} ${score}`;
  const about = [
    language,
    runsOnInstall && 'run on installation',
    ran !== undefined && `as it ran: ${showable(ran.join(' '))}`,
  ]
    .filter(Boolean)
    .join(', ');
  // What is declared counts for nothing, and would hide what does.
  const counting = findings.filter((each) => each.score > 0 || each.waived !== undefined);
  const shown = counting.slice(0, FINDINGS_SHOWN);
  const more = counting.length - shown.length + omitted;
  const lines = [
    `${(isRefused ? paint.red : paint.yellow)(head)}  ${paint.bold(showable(path))}${about === '' ? '' : `  (${about})`}`,
    ...shown.flatMap((finding) => findingLines(finding, paint)),
    ...(more > 0 ? [`  … and ${more} more`] : []),
    ...(file.model === undefined ? [] : [modelText(file.model)]),
    ...(digest === undefined ? [] : [paint.dim(`  sha256:${digest}`)]),
  ];
  return `${lines.join('\n')}\n\n`;
}

function modelText({ adds, probability, because }: NonNullable<ScannedFile['model']>): string {
  const reasons = because.map(showable).join(', ');
  return `  the trained model adds ${adds} of it (${probability.toFixed(2)}): ${reasons}`;
}

function findingLines(finding: ShownFinding, paint: Paint): string[] {
  const { family, rule, score, range, snippet, excerpt, explanation, remedy, waived, flow } =
    finding;
  const place = range.end > range.start ? `${range.line}:${range.column}` : '-';
  const quoted =
    snippet === undefined
      ? excerpt === ''
        ? []
        : [`      ${showable(excerpt)}`]
      : [
          `      ${snippet.text}`,
          `      ${' '.repeat(snippet.from)}${paint.red('^'.repeat(snippet.length))}`,
        ];
  const steps = (flow ?? []).map((step) => `${showable(step.label)} (${step.range.line})`);
  return [
    `  ${place}  ${family} ${score}  ${showable(rule)}${waived === undefined ? '' : `  waived: ${showable(waived)}`}`,
    ...quoted,
    ...(steps.length > 0 ? [`      ${steps.join(' → ')}`] : []),
    `      ${showable(explanation)}`,
    ...(waived === undefined ? [paint.dim(`      ${showable(remedy)}`)] : []),
  ];
}

const SKIPPED: Readonly<Record<SkipReason, string>> = {
  data: 'no code',
  'foreign-language': 'code in languages that are not read here',
  'machine-code': 'machine code, which nothing here reads',
  bytecode: 'bytecode, which nothing here reads',
  wasm: 'WebAssembly, which caisson prove is for',
  link: 'links, which are not followed',
  special: 'pipes, sockets or devices',
  empty: 'empty',
};

/** Of what is undeclared the report has findings, which say what each counts for. */
export function behaviourText(
  { command, ended, did, undeclared, unobserved }: Behaviour,
  paint: Paint,
): string {
  const lines = did.map((deed) => {
    const { capability, target, secret, count = 1 } = deed;
    const word = undeclared.includes(deed) ? paint.red('undeclared') : 'declared';
    const about = [secret, count > 1 && `${count} times`].filter(Boolean).join(', ');
    return `  ${word}  ${capability}  ${showable(target)}${about === '' ? '' : `  (${about})`}`;
  });
  const seen = did.length === 0 ? 'tried nothing that was seen' : 'tried';
  const not = unobserved.map(({ capability, why }) => `  not observed  ${capability}: ${why}`);
  return [
    `ran ${showable(command.join(' '))}: ${ended}; it ${seen}`,
    ...lines,
    ...not.map(paint.dim),
    '',
    '',
  ].join('\n');
}

export function summaryText(report: ScanReport, paint: Paint): string {
  const { files, skipped, unread, unreadCount, threshold, families, unlisted } = report;
  const parts = [
    `${count(files.scanned, 'file')} of code (${size(files.bytes)})`,
    ...(files.cached > 0 ? [`${files.cached} known from before`] : []),
    `${(report.elapsedMs / 1000).toFixed(1)} s`,
  ];
  const found = Object.entries(families).sort(([, a], [, b]) => b - a);
  return [
    ...unread
      .slice(0, 20)
      .map(({ path, reason }) => `not looked at: ${showable(path)}: ${showable(reason)}`),
    ...(unreadCount > 20 ? [`not looked at: ${unreadCount - 20} more`] : []),
    `${parts.join(', ')}: ${files.refused} refused (${threshold} and more), ${files.suspicious} suspicious`,
    ...(unlisted > 0 ? [`${unlisted} of them are not listed`] : []),
    ...(found.length > 0
      ? [paint.dim(`files by family: ${found.map(([family, n]) => `${family} ${n}`).join(', ')}`)]
      : []),
    ...Object.entries(skipped).map(([reason, n]) =>
      paint.dim(`${n} ${SKIPPED[reason as SkipReason]}`),
    ),
    '',
  ].join('\n');
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}

function size(bytes: number): string {
  if (bytes < 1024) return `${bytes} bytes`;
  const power = bytes < 1024 ** 2 ? 1 : 2;
  return `${(bytes / 1024 ** power).toFixed(1)} ${power === 1 ? 'KiB' : 'MiB'}`;
}
