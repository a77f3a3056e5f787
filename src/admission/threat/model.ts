/**
 * What a small trained model thinks of a file: gradient-boosted trees over {@link featuresOf}. How it was trained, on
 * what, and where it fails: docs/threat/model-card.md.
 */
import type { Finding } from '../../core/admission.ts';
import type { Measures } from './complexity.ts';
import type { Facts } from './facts.ts';
import { featuresOf } from './features.ts';
import data from './model.json' with { type: 'json' };
import { ThreatModel } from './threat-model.ts';

let loaded: ThreatModel | undefined;

/** The one that comes with this version. */
export function threatModel(): ThreatModel {
  loaded ??= new ThreatModel(data);
  return loaded;
}

export interface ModelOpinion {
  /** 0–1, calibrated for `withModel` of score.ts. */
  readonly probability: number;
  readonly version: string;
  /** Where it is above one half: what speaks most against the file, as features.md names it. */
  readonly because?: readonly string[];
}

/**
 * What the model says of a file; undefined: it knows nothing of the language. Findings of every score count, so that
 * it does not depend on what is declared.
 */
export function probabilityOf(
  facts: Facts,
  measures: Measures,
  findings: readonly Finding[],
  language: string,
): ModelOpinion | undefined {
  const model = threatModel();
  const features = featuresOf({ facts, findings, language, measures });
  const probability = model.predict(features, language);
  if (probability === undefined) return undefined;
  const opinion = { probability, version: model.version };
  return probability > 0.5 ? { ...opinion, because: model.reasons(features, language) } : opinion;
}
