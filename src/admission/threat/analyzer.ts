/**
 * What a source would do, with reasons: text in, findings out. Nothing of the source is run. Safe to share; each call
 * stands for itself.
 *
 * @example
 * const analyzer = await Analyzer.open();
 * const { score, findings } = analyzer.analyze('require("child_process").exec("id")', { language: 'javascript' });
 */
import type { Capability, Finding } from '../../core/admission.ts';
import { CaissonError } from '../../core/error.ts';
import { effectsOf } from './catalogue.ts';
import { type LexicalMeasures, type Measures, measure, measureText } from './complexity.ts';
import { decodeSource } from './decode-source.ts';
import type { Facts } from './facts.ts';
import { frontEndOf, openFrontEnd } from './front-ends.ts';
import { type Interpreted, interpret } from './interpret/interpreter.ts';
import type { ModelOpinion } from './model.ts';
import { declaredBy, type ThreatProfile } from './profiles.ts';
import { judge, MOST_FINDINGS, nestedCode, sceneOf, strongest } from './rules.ts';
import { scoreOf, withModel } from './score.ts';
import type { ProgramTree } from './tree.ts';

export { RULES_VERSION } from './version.ts';
export type { Measures };

export const LANGUAGES = ['javascript', 'typescript', 'python', 'shell'] as const;
export type AnalysisLanguage = (typeof LANGUAGES)[number];

export interface AnalysisOptions {
  readonly language: AnalysisLanguage;
  /** Stands in findings; its base name matters to few rules (`setup.py`). */
  readonly path?: string;
  /** What ordinary code of that kind may do without saying so; default `effect`: nothing. */
  readonly profile?: ThreatProfile;
  /** What it says it does. */
  readonly declares?: readonly Capability[];
  /** Whether the trained model has a say; default true. */
  readonly model?: boolean;
  /** Milliseconds after which it ends with what it has, and says so; default 2000. Parsing of JavaScript cannot be interrupted. */
  readonly timeoutMs?: number;
}

/** What an analysis could not do, or found odd about the file itself. */
export type AnalysisNote =
  | 'unparsed'
  | 'partly-parsed'
  | 'too-large'
  | 'time-limit'
  | 'too-deep'
  | 'invalid-utf8'
  | 'polyglot'
  | 'steps-limit'
  /** Code in texts has more findings than a report holds: the strongest stand there. */
  | 'findings-limit';

export interface Analysis {
  readonly language: AnalysisLanguage;
  /** 0–100. */
  readonly score: number;
  readonly findings: readonly Finding[];
  readonly measures: Measures;
  readonly notes: readonly AnalysisNote[];
  readonly model?: ModelOpinion;
  readonly elapsedMs: number;
}

/** Bytes of a source that are parsed at most; of larger ones the text alone is measured. */
export const LARGEST_SOURCE = 4 * 1024 * 1024;
const DEFAULT_TIMEOUT_MS = 2000;
/** Code in texts in code in texts. */
const DEEPEST_NESTED_CODE = 3;
const MOST_NESTED_CODE = 40;

/** What is known of a source before rules look at it. */
interface Examination {
  readonly text: string;
  readonly facts: Facts;
  readonly lexical: LexicalMeasures;
  readonly measures: Measures;
  readonly notes: readonly AnalysisNote[];
}

export interface Inspection extends Examination {
  readonly findings: readonly Finding[];
}

type Model = Pick<typeof import('./model.ts'), 'probabilityOf'>;

export class Analyzer {
  readonly #model: Model | undefined;

  private constructor(model: Model | undefined) {
    this.#model = model;
  }

  /** Loads the grammars of these languages; default all. JavaScript needs none. */
  static async open(languages: readonly AnalysisLanguage[] = LANGUAGES): Promise<Analyzer> {
    await Promise.all(languages.map(openFrontEnd));
    const model = await import('./model.ts');
    return new Analyzer(model);
  }

  /** Synchronous; answers whatever the source is. */
  analyze(source: string | Uint8Array, options: AnalysisOptions): Analysis {
    const started = performance.now();
    const deadline = started + (options.timeoutMs ?? DEFAULT_TIMEOUT_MS);
    const { language } = options;
    const seen = this.#inspect(source, options, deadline);
    const { findings } = seen;
    const model =
      options.model === false
        ? undefined
        : this.#model?.probabilityOf(seen.facts, seen.measures, findings, language);
    return {
      language,
      score: withModel(scoreOf(findings), model?.probability),
      findings,
      measures: seen.measures,
      notes: seen.notes,
      ...(model === undefined ? {} : { model }),
      elapsedMs: performance.now() - started,
    };
  }

  /** What {@link analyze} has before score and model: for training, and for those who write rules. */
  inspect(source: string | Uint8Array, options: AnalysisOptions): Inspection {
    const deadline = performance.now() + (options.timeoutMs ?? DEFAULT_TIMEOUT_MS);
    return this.#inspect(source, options, deadline);
  }

  #inspect(source: string | Uint8Array, options: AnalysisOptions, deadline: number): Inspection {
    const { language } = options;
    const seen = examineUntil(source, language, deadline);
    const declares = declaredBy(options.profile ?? 'effect', options.declares);
    const findings = findingsOf(seen, language, options.path, declares, deadline, 0);
    if (findings.length <= MOST_FINDINGS) return { ...seen, findings };
    return { ...seen, findings: strongest(findings), notes: [...seen.notes, 'findings-limit'] };
  }
}

function examineUntil(
  source: string | Uint8Array,
  language: AnalysisLanguage,
  deadline: number,
): Examination {
  const { text, bytes, notes: odd } = decodeSource(source);
  const notes = new Set<AnalysisNote>(odd);
  const frontEnd = frontEndOf(language);
  if (frontEnd === undefined) throw notOpened(language);
  const { dialect, lower } = frontEnd;
  let tree: ProgramTree | undefined;
  if (bytes > LARGEST_SOURCE) notes.add('too-large');
  else tree = parseQuietly(lower, text, deadline, notes);
  const { facts, isTooDeep, functions, decisions }: Interpreted = interpret(
    tree ?? EMPTY,
    text,
    dialect,
    effectsOf(language),
    deadline,
  );
  if (isTooDeep) notes.add('too-deep');
  if (facts.stoppedBy !== undefined) notes.add(`${facts.stoppedBy}-limit`);
  const lexical = measureText(text);
  const measures = measure(lexical, text.length, bytes, tree, facts, { functions, decisions });
  return { text, facts, lexical, measures, notes: [...notes] };
}

function notOpened(language: AnalysisLanguage): CaissonError {
  return new CaissonError('REQUEST_INVALID', {
    layer: 'admission',
    message: `no grammar of ${language} was loaded`,
    hint: 'name it in Analyzer.open()',
  });
}

const EMPTY: ProgramTree = { body: [], depth: 0, nodes: 0, problems: [], comments: [] };

function parseQuietly(
  lower: (text: string, deadline: number) => ProgramTree,
  text: string,
  deadline: number,
  notes: Set<AnalysisNote>,
): ProgramTree | undefined {
  try {
    const tree = lower(text, deadline);
    for (const { message } of tree.problems) {
      if (message.includes('deep')) notes.add('too-deep');
      else if (message.startsWith('time limit')) notes.add('time-limit');
      else notes.add(tree.nodes === 0 ? 'unparsed' : 'partly-parsed');
    }
    return tree;
  } catch (error) {
    notes.add(error instanceof RangeError ? 'too-deep' : 'unparsed');
    return undefined;
  }
}

/** Of the source and, at the place of the text, of code in texts that it runs. */
function findingsOf(
  seen: Examination,
  language: AnalysisLanguage,
  path: string | undefined,
  declares: ReadonlySet<Capability>,
  deadline: number,
  depth: number,
): Finding[] {
  const { facts, text, lexical, notes } = seen;
  const scene = sceneOf(facts, { language, path, declares, source: text, lexical, notes });
  const findings = judge(scene);
  if (depth >= DEEPEST_NESTED_CODE) return findings;
  let count = 0;
  for (const nested of nestedCode(scene)) {
    if (++count > MOST_NESTED_CODE || performance.now() > deadline) break;
    if (nested.source === text) continue;
    if (frontEndOf(nested.language) === undefined) continue;
    const inner = examineUntil(nested.source, nested.language, deadline);
    const range = facts.range(nested.start, nested.end);
    for (const finding of findingsOf(inner, nested.language, path, declares, deadline, depth + 1)) {
      const { flow: _, ...told } = finding;
      if (finding.score > 0) findings.push({ ...told, range });
    }
  }
  return findings;
}
