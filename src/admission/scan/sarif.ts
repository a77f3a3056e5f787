/**
 * A report as SARIF 2.1.0 (OASIS Standard, 27 March 2020), for code hosts and editors. What stands in an archive is an
 * artifact of its own whose parent is the archive.
 */
import { createHash } from 'node:crypto';
import type { ScannedFile, ScanReport, ShownFinding } from './report.ts';

const SCHEMA =
  'https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json';

type Json = Readonly<Record<string, unknown>>;

/** @param version of Caisson */
export function toSarif(report: ScanReport, version: string): Json {
  const artifacts = new Artifacts();
  const rules = new Map<string, { index: number; finding: ShownFinding }>();
  const results = report.listed.flatMap((file) =>
    file.findings.map((finding) => {
      const known = rules.get(finding.rule) ?? { index: rules.size, finding };
      rules.set(finding.rule, known);
      return resultOf(file, finding, known.index, report.threshold, artifacts);
    }),
  );
  const notifications = report.unread.map(({ path, reason }) => ({
    level: 'error',
    message: { text: reason },
    locations: [{ physicalLocation: { artifactLocation: artifacts.location(path) } }],
  }));
  return {
    $schema: SCHEMA,
    version: '2.1.0',
    runs: [
      {
        tool: {
          driver: {
            name: 'Caisson',
            version,
            semanticVersion: version,
            informationUri: 'https://www.npmjs.com/package/caisson',
            rules: [...rules].map(([id, { finding }]) => ruleOf(id, finding)),
          },
        },
        invocations: [
          {
            executionSuccessful: report.unreadCount === 0,
            ...(notifications.length === 0 ? {} : { toolExecutionNotifications: notifications }),
          },
        ],
        columnKind: 'utf16CodeUnits',
        artifacts: artifacts.all,
        results,
        properties: {
          decision: report.decision,
          score: report.score,
          threshold: report.threshold,
          rulesVersion: report.rulesVersion,
        },
      },
    ],
  };
}

function ruleOf(id: string, { family, explanation, remedy }: ShownFinding): Json {
  return {
    id,
    name: id
      .split(/[^A-Za-z0-9]+/)
      .map((word) => `${word[0]?.toUpperCase() ?? ''}${word.slice(1)}`)
      .join(''),
    shortDescription: { text: `${family}: ${id}` },
    fullDescription: { text: explanation },
    help: { text: remedy },
    properties: { tags: ['security', family] },
  };
}

function resultOf(
  file: ScannedFile,
  finding: ShownFinding,
  ruleIndex: number,
  threshold: number,
  artifacts: Artifacts,
): Json {
  const { rule, explanation, remedy, score, waived, flow } = finding;
  const location = (range: ShownFinding['range']): Json => ({
    physicalLocation: { artifactLocation: artifacts.location(file.path), ...regionOf(range) },
  });
  return {
    ruleId: rule,
    ruleIndex,
    level: levelOf(score, waived, threshold),
    // 0.0 to 100.0; other tools sort by it.
    rank: score,
    message: { text: `${explanation} ${remedy}` },
    locations: [location(finding.range)],
    partialFingerprints: { 'caissonFinding/v1': fingerprint(file, finding) },
    ...(waived === undefined
      ? {}
      : { suppressions: [{ kind: 'external', status: 'accepted', justification: waived }] }),
    ...(flow === undefined || flow.length === 0
      ? {}
      : {
          codeFlows: [
            {
              threadFlows: [
                {
                  locations: flow.map(({ label, range }) => ({
                    location: { ...location(range), message: { text: label } },
                  })),
                },
              ],
            },
          ],
        }),
    properties: {
      family: finding.family,
      score,
      fileScore: file.score,
      ...(file.digest === undefined ? {} : { sha256: file.digest }),
    },
  };
}

function levelOf(score: number, waived: string | undefined, threshold: number): string {
  if (waived !== undefined || score <= 0) return 'none';
  if (score >= threshold) return 'error';
  return score >= 40 ? 'warning' : 'note';
}

/** Absent where it stands at no place: SARIF has no region without one. */
function regionOf({ start, end, line, column, endLine, endColumn }: ShownFinding['range']): Json {
  if (end <= start) return {};
  return { region: { startLine: line, startColumn: column, endLine, endColumn } };
}

/** The same where lines were added above it. */
function fingerprint({ path }: ScannedFile, { rule, excerpt }: ShownFinding): string {
  return createHash('sha256').update(`${rule}\0${path}\0${excerpt}`).digest('hex');
}

class Artifacts {
  readonly #indexes = new Map<string, number>();
  readonly #all: Json[] = [];

  get all(): readonly Json[] {
    return this.#all;
  }

  location(path: string): Json {
    const index = this.#index(path);
    return { ...(this.#all[index]?.location as Json), index };
  }

  #index(path: string): number {
    const known = this.#indexes.get(path);
    if (known !== undefined) return known;
    const inner = path.lastIndexOf('!/');
    const parent = inner < 0 ? undefined : this.#index(path.slice(0, inner));
    const index = this.#all.length;
    this.#indexes.set(path, index);
    // Within its container a path is absolute (3.4.4 and 3.24.3).
    this.#all.push(
      parent === undefined
        ? { location: { uri: uriOf(path) } }
        : { location: { uri: uriOf(path.slice(inner + 1)) }, parentIndex: parent },
    );
    return index;
  }
}

/** A relative reference, or an absolute path; a name with a colon is not taken for a scheme. */
function uriOf(path: string): string {
  const encoded = path
    .split('/')
    .map((part) => encodeURIComponent(part.toWellFormed()))
    .join('/');
  if (path.startsWith('/')) return parentless(encoded);
  return encoded;
}

const parentless = (path: string): string =>
  path.startsWith('//') ? `/${path.replace(/^\/+/, '')}` : path;
