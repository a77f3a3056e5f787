/** All rules over one file: facts in, findings out. */
import type { Finding } from '../../core/admission.ts';
import { FAMILIES } from './families.ts';
import { analysisNotes } from './rules/analysis-notes.ts';
import { commands } from './rules/commands.ts';
import { effects } from './rules/effects.ts';
import { escapes } from './rules/escape.ts';
import { evasion } from './rules/evasion.ts';
import { execution } from './rules/execution.ts';
import { exfiltration } from './rules/exfiltration.ts';
import { harvesting } from './rules/harvesting.ts';
import { installHooks } from './rules/install-hooks.ts';
import { mining } from './rules/mining.ts';
import { obfuscation } from './rules/obfuscation.ts';
import { persistence } from './rules/persistence.ts';
import { pollution } from './rules/pollution.ts';
import { resources } from './rules/resources.ts';
import type { Found, Rule, Scene } from './rules/scene.ts';

export { nestedCode } from './rules/nested-code.ts';
export { sceneOf } from './rules/scene.ts';

const RULES: readonly Rule[] = [
  analysisNotes,
  effects,
  execution,
  exfiltration,
  commands,
  escapes,
  evasion,
  harvesting,
  installHooks,
  mining,
  obfuscation,
  persistence,
  pollution,
  resources,
];

/** Findings that a report holds at most: the strongest. */
export const MOST_FINDINGS = 200;

/** By place. What there is too much of is left out, the weakest first. */
export function strongest(findings: Finding[]): Finding[] {
  const kept =
    findings.length <= MOST_FINDINGS
      ? findings
      : findings.sort((a, b) => b.score - a.score).slice(0, MOST_FINDINGS);
  return kept.sort((a, b) => a.range.start - b.range.start || (a.rule < b.rule ? -1 : 1));
}

/** Sorted by place; the same rule at the same place once, with its highest score. */
export function judge(scene: Scene): Finding[] {
  const byPlace = new Map<string, Finding>();
  for (const rule of RULES) {
    for (const found of rule(scene)) {
      const finding = tell(scene, found);
      const key = `${finding.rule} ${found.start} ${found.end}`;
      const known = byPlace.get(key);
      if (known === undefined || known.score < finding.score) byPlace.set(key, finding);
    }
  }
  return strongest([...byPlace.values()]);
}

function tell(scene: Scene, found: Found): Finding {
  const { facts, declares } = scene;
  const language = scene.language === 'typescript' ? 'javascript' : scene.language;
  const isDeclared = found.capability !== undefined && declares.has(found.capability);
  const score = isDeclared ? (found.declared ?? found.score) : found.score;
  return {
    family: found.family,
    rule: found.name.startsWith('analysis/')
      ? found.name
      : `${language}/${found.family}/${found.name}`,
    score: Math.round(Math.min(100, Math.max(0, score)) * 10) / 10,
    ...(scene.path === undefined ? {} : { path: scene.path }),
    range: facts.range(found.start, found.end),
    excerpt: shown(facts.text(found.start, Math.min(found.end, found.start + 400))),
    explanation: found.explanation,
    remedy: found.remedy ?? FAMILIES[found.family].remedy,
    ...(found.flow === undefined || found.flow.length < 2
      ? {}
      : {
          flow: found.flow.map((use) => ({
            label: shown(use.path),
            range: facts.range(use.start, use.end),
          })),
        }),
    ...(found.capability === undefined ? {} : { capability: found.capability }),
  };
}

/** One line of at most 160 characters that shows what cannot be seen: escapes instead of control and format characters. */
function shown(text: string): string {
  const line = text
    .replace(/\s+/g, ' ')
    .trim()
    .replace(
      /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\u2028\u2029]|[\ufe00-\ufe0f]/gu,
      (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
    );
  return line.length <= 160 ? line : `${line.slice(0, 159)}…`;
}
