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

/** What the model may add at most, so that it alone never refuses what no rule says anything about. */
const MODEL_SHARE = 0.85;

/** 0–100, with one decimal. What is waived does not count. */
export function scoreOf(findings: readonly Finding[]): number {
  const strongest = new Map<string, number>();
  for (const { family, score, waived } of findings) {
    if (waived !== undefined) continue;
    strongest.set(family, Math.max(strongest.get(family) ?? 0, score));
  }
  const [first = 0, ...others] = [...strongest.values()].sort((a, b) => b - a);
  const rest = others.reduce((product, score) => product * (1 - (SHARE * score) / 100), 1);
  return rounded(100 * (1 - (1 - first / 100) * rest));
}

/**
 * Adds what the model thinks (0–1, calibrated): rules and model agree rarely by chance, so they are joined as
 * independent doubts, where the model's below one half count for nothing.
 */
export function withModel(score: number, probability: number | undefined): number {
  if (probability === undefined || !(probability > 0.5)) return score;
  const doubt = (Math.min(probability, 1) - 0.5) * 2 * MODEL_SHARE;
  return rounded(100 * (1 - (1 - score / 100) * (1 - doubt)));
}

function rounded(score: number): number {
  return Math.round(Math.min(100, Math.max(0, score)) * 10) / 10;
}
