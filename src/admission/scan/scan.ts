/**
 * Scans files, directories and archives: each piece of code is analysed on another thread, unless its analysis is known.
 * Results come as they are made; what is held in memory does not grow with what is scanned, but for what is listed.
 */
import { createHash } from 'node:crypto';
import type { Finding } from '../../core/admission.ts';
import { CaissonError } from '../../core/error.ts';
import { checkKind, checkOptions } from '../../policy/known-options.ts';
import { SCAN } from '../option-kinds.ts';
import type { AnalysisOptions } from '../threat/analyzer.ts';
import { scoreOf, withModel } from '../threat/score.ts';
import { RULES_VERSION } from '../threat/version.ts';
import { applyWaivers, isModelWaived } from '../threat/waivers.ts';
import { AnalysisCache, analysisKey } from './analysis-cache.ts';
import { AnalysisThreads, type ThreadAnalysis, unanalysed } from './analysis-threads.ts';
import { behaviourFindings } from './behaviour-findings.ts';
import { Occurrences } from './occurrences.ts';
import type { ScannedFile, ScanReport, ScanRoot } from './report.ts';
import { ReportBuilder } from './report-builder.ts';
import type { ScanOptions } from './scan-options.ts';
import { scanRoot } from './scan-root.ts';
import { snippetOf } from './snippet.ts';
import { type Code, type Source, sourcesInDirectory, sourcesInFile } from './sources.ts';
import { countFiles } from './walk.ts';

const THRESHOLD = 80;
const LIST_FROM = 40;
/** Sources that wait for a thread, all together, bytes. */
const WAITING_MAX_BYTES = 16 * 1024 * 1024;

/**
 * @throws PATH_MISSING, REQUEST_INVALID; STORE_UNUSABLE where the store fails
 * @example
 * const { decision, listed } = await scan(['node_modules']);
 */
export async function scan(
  paths: readonly string[],
  options: ScanOptions = {},
): Promise<ScanReport> {
  checkKind(paths, 'texts', 'scan: paths', 'admission');
  checkOptions(options, 'scan', SCAN, 'admission');
  requireScore('threshold', options.threshold);
  requireScore('listFrom', options.listFrom);
  const roots = paths.map((path) => scanRoot(path, options.profile));
  await using threads = new AnalysisThreads(options.threads);
  const run = new Run(options, threads);
  for (const { real, ...root } of roots) await run.scan(root, real);
  const [first] = roots;
  if (first !== undefined) await run.behave(first.path);
  return run.finish();
}

/** No score is above NaN: nothing would be refused. @throws REQUEST_INVALID */
function requireScore(name: string, score = 0): void {
  if (score >= 0 && score <= 100) return;
  throw new CaissonError('REQUEST_INVALID', {
    layer: 'admission',
    message: `scan: ${name} is ${score}`,
    hint: 'give a score from 0 to 100',
  });
}

class Run {
  readonly #options: ScanOptions;
  readonly #threads: AnalysisThreads;
  readonly #cache: AnalysisCache;
  readonly #report: ReportBuilder;
  readonly #occurrences = new Occurrences();
  readonly #underWay = new Set<Promise<void>>();
  #waitingBytes = 0;
  #done = 0;
  #total: number | undefined;
  #failure: { readonly error: unknown } | undefined;

  constructor(options: ScanOptions, threads: AnalysisThreads) {
    const { threshold = THRESHOLD, listFrom = LIST_FROM, store } = options;
    this.#options = options;
    this.#threads = threads;
    this.#cache = new AnalysisCache(store === undefined ? {} : { shelf: store });
    this.#report = new ReportBuilder({
      threshold,
      suspicious: LIST_FROM,
      listFrom,
      rulesVersion: RULES_VERSION,
    });
  }

  async scan(root: ScanRoot, real: string): Promise<void> {
    this.#report.root(root);
    this.#options.onEvent?.({ kind: 'root', root });
    let stopped = false;
    const before = this.#done;
    this.#total = undefined;
    // How much is in an archive is not known before it has been read.
    const counted =
      root.kind === 'directory'
        ? countFiles(real, () => stopped).then((count) => {
            this.#total = before + count;
          })
        : undefined;
    const sources =
      root.kind === 'directory' ? sourcesInDirectory(real) : sourcesInFile(real, '', []);
    try {
      for await (const source of sources) await this.#take(root, source);
      await Promise.all(this.#underWay);
      this.#check();
    } finally {
      stopped = true;
      await Promise.allSettled([counted, ...this.#underWay]);
    }
  }

  async behave(path: string): Promise<void> {
    const { run, declares = [], waivers = [], now = Date.now() } = this.#options;
    if (run === undefined) return;
    const { behave, command, directory } = run;
    const started = performance.now();
    const behaviour = await behave({ command, directory, declares });
    this.#report.behaviour(behaviour);
    const own = behaviourFindings(behaviour).map((finding) => ({ ...finding, path }));
    const findings = applyWaivers(own, waivers, { path, nowMs: now });
    if (findings.length === 0) return;
    this.#finished({
      path,
      bytes: 0,
      score: scoreOf(findings),
      findings,
      omitted: 0,
      notes: [],
      ran: command,
      elapsedMs: performance.now() - started,
      cached: false,
    });
  }

  finish(): ScanReport {
    this.#cache.flush();
    this.#options.store?.record(this.#occurrences.rows, this.#options.now ?? Date.now());
    return this.#report.finish();
  }

  #check(): void {
    const { signal } = this.#options;
    if (signal?.aborted === true) {
      throw new CaissonError('ABORTED', { layer: 'admission', cause: signal.reason });
    }
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  async #take(root: ScanRoot, source: Source): Promise<void> {
    this.#check();
    if (source.kind === 'code') return await this.#code(root, source.code);
    const path = shownPath(root.path, source.name);
    if (source.kind === 'skipped' && source.name === '' && source.reason !== 'empty') {
      // Who names a file asks about it: that it was passed over is no answer.
      this.#report.unread(path, `nothing here reads it (${source.reason})`);
    } else if (source.kind === 'skipped') this.#report.skipped(source.reason);
    else if (source.kind === 'unread') this.#report.unread(path, source.reason);
    else this.#found(root, path, source.name, source.finding);
    if (source.kind === 'skipped' || source.kind === 'unread') this.#progress(path);
  }

  /** A finding that no analysis made. */
  #found(root: ScanRoot, path: string, name: string, finding: Finding): void {
    const { waivers = [], now = Date.now() } = this.#options;
    const context = { path: name || root.path, nowMs: now };
    const findings = applyWaivers([finding], waivers, context).map((each) => ({ ...each, path }));
    const score = scoreOf(findings);
    this.#finished({
      path,
      bytes: 0,
      score,
      findings,
      notes: [],
      elapsedMs: 0,
      cached: false,
      omitted: 0,
    });
  }

  async #code(root: ScanRoot, code: Code): Promise<void> {
    const options = this.#analysisOptions(root, code);
    const { bytes } = code;
    if (bytes === undefined) return this.#judge(root, code, unanalysed(options, 'too-large'), {});
    const digest = createHash('sha256').update(bytes).digest('hex');
    const key = analysisKey(digest, options);
    const known = this.#cache.get(key);
    if (known !== undefined) return this.#judge(root, code, known, { digest, cached: true });
    while (
      this.#underWay.size >= this.#threads.threads * 3 ||
      this.#waitingBytes > WAITING_MAX_BYTES
    ) {
      await Promise.race(this.#underWay);
    }
    this.#waitingBytes += bytes.length;
    const done = this.#threads
      .analyze(bytes, options)
      .then((analysis) => {
        if ('measures' in analysis && analysis.unanalysed === undefined) {
          this.#cache.put(key, analysis as Parameters<AnalysisCache['put']>[1]);
        }
        this.#judge(root, code, analysis, { digest });
      })
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .finally(() => {
        this.#waitingBytes -= bytes.length;
        this.#underWay.delete(done);
      });
    this.#underWay.add(done);
  }

  #analysisOptions(root: ScanRoot, { name, language, claims }: Code): AnalysisOptions {
    const { declares = [], trustManifest = false, model } = this.#options;
    return {
      language,
      path: name || root.path,
      profile: root.profile,
      declares: [...new Set([...declares, ...(trustManifest ? claims : [])])],
      ...(model === undefined ? {} : { model }),
    };
  }

  #judge(
    root: ScanRoot,
    code: Code,
    analysis: ThreadAnalysis,
    { digest, cached = false }: { readonly digest?: string; readonly cached?: boolean },
  ): void {
    const { waivers = [], now = Date.now(), listFrom = LIST_FROM } = this.#options;
    const { name, language, bytes, size, runsOnInstall, placing } = code;
    const path = shownPath(root.path, name);
    const about = {
      ...(digest === undefined ? {} : { digest }),
      path: name || root.path,
      nowMs: now,
    };
    // Of a known analysis the path is that of whichever file it was made of.
    const own = analysis.findings.map((finding) => ({ ...finding, path: about.path }));
    const findings = applyWaivers(own, waivers, about);
    const score = isModelWaived(waivers, about) ? scoreOf(findings) : scoreWith(analysis, findings);
    const text = score >= listFrom ? bytes?.toString('utf8') : undefined;
    const shown = findings.map((finding) => {
      const snippet = text === undefined ? undefined : snippetOf(text, finding.range);
      const range = placing === undefined ? finding.range : placing(finding.range);
      return { ...finding, path, range, ...(snippet === undefined ? {} : { snippet }) };
    });
    this.#finished({
      path,
      language,
      ...(digest === undefined ? {} : { digest }),
      bytes: size,
      score,
      findings: shown,
      omitted: 0,
      ...modelOf(analysis, score - scoreOf(findings)),
      notes: analysis.notes,
      ...(runsOnInstall ? { runsOnInstall } : {}),
      ...(analysis.unanalysed === undefined ? {} : { unanalysed: analysis.unanalysed }),
      elapsedMs: analysis.elapsedMs,
      cached,
    });
    // Scripts stand in a file that is counted by itself.
    if (placing === undefined) this.#progress(path);
  }

  #finished(whole: ScannedFile): void {
    const { listFrom = LIST_FROM, threshold = THRESHOLD } = this.#options;
    const { language, findings, score } = whole;
    if (language !== undefined) {
      this.#occurrences.add({ language, findings, refused: score >= threshold });
    }
    const file = this.#report.file(whole);
    if (score >= listFrom) this.#options.onEvent?.({ kind: 'file', file });
  }

  #progress(path: string): void {
    this.#done++;
    const total = this.#total === undefined ? {} : { total: Math.max(this.#total, this.#done) };
    this.#options.onEvent?.({ kind: 'progress', done: this.#done, path, ...total });
  }
}

function modelOf({ model }: ThreadAnalysis, adds: number): Pick<ScannedFile, 'model'> {
  if (model?.because === undefined || adds < 0.1) return {};
  const { probability, because } = model;
  return { model: { adds: Math.round(adds * 10) / 10, probability, because } };
}

/** As the analyzer had it, unless something of it is waived. */
function scoreWith(analysis: ThreadAnalysis, findings: readonly Finding[]): number {
  if (!findings.some(({ waived }) => waived !== undefined)) return analysis.score;
  const { model } = analysis;
  const rules = scoreOf(findings);
  return model === undefined ? rules : withModel(rules, model.probability);
}

function shownPath(root: string, name: string): string {
  if (name === '') return root;
  if (name.startsWith('!/')) return `${root}${name}`;
  return root.endsWith('/') ? `${root}${name}` : `${root}/${name}`;
}
