/**
 * One number of many findings.
 *
 * A family counts once, by its strongest finding: a hundred reads of files are not worse than one. The strongest
 * family counts in full; every other one adds a {@link SHARE} of itself, as independent doubts do (noisy or):
 *
 *     score = 100 · (1 − (1 − s₁) · ∏ (1 − SHARE · sᵢ))
 *
 * So one undeclared effect alone scores its base exactly, two network-like effects (75, 70) score 79, and what is
 * declared (0) adds nothing. Chains are findings of their own, with scores above those of their links.
 */
import type { Finding } from '../../core/admission.ts';

/** What a second family is worth beside a first: most code with one effect has a second. */
const SHARE = 0.2;

/** 0–100, with one decimal. What is waived does not count. */
export function scoreOf(findings: readonly Finding[]): number {
  return scoreOfStrongest(strongestOf(findings));
}

/** Of each family its highest score, in falling order. */
export function strongestOf(findings: readonly Finding[]): number[] {
  const strongest = new Map<string, number>();
  for (const { family, score, waived } of findings) {
    if (waived !== undefined) continue;
    strongest.set(family, Math.max(strongest.get(family) ?? 0, score));
  }
  return [...strongest.values()].sort((a, b) => b - a);
}

/** @param strongest of each family, in falling order */
export function scoreOfStrongest([first = 0, ...others]: readonly number[]): number {
  const rest = others.reduce((product, score) => product * (1 - (SHARE * score) / 100), 1);
  return rounded(100 * (1 - (1 - first / 100) * rest));
}

/**
 * The higher one of what rules say and what the model says (0–1, calibrated). It has counted what rules found already,
 * among other things: on the train part rules weigh a twentieth beside it (docs/threat/model-card.md), and to add both counted
 * findings twice. Up to one half it says nothing, from there on it rises to 100; it takes nothing away.
 */
export function withModel(score: number, probability: number | undefined): number {
  if (probability === undefined || !(probability > 0.5)) return score;
  return Math.max(score, rounded(200 * (Math.min(probability, 1) - 0.5)));
}

/** From which `probability` on {@link withModel} gives a score alone. */
export const probabilityFor = (score: number): number => 0.5 + score / 200;

function rounded(score: number): number {
  return Math.round(Math.min(100, Math.max(0, score)) * 10) / 10;
}
