/** What the analysis could not look at is suspicious by itself: hiding from it would be the way past it. */
import type { ThreatFamily } from '../../../core/admission.ts';
import type { Found, Scene } from './scene.ts';

const NOTES: Readonly<
  Record<string, { family: ThreatFamily; score: number; explanation: string }>
> = {
  unparsed: {
    family: 'obfuscation',
    score: 45,
    explanation:
      'This is no program of its language, as far as its grammar goes: it could not be looked at.',
  },
  'partly-parsed': {
    family: 'obfuscation',
    score: 15,
    explanation: 'Parts of this could not be parsed, and were not looked at.',
  },
  'too-large': {
    family: 'evasion',
    score: 45,
    explanation: 'This is too large to be looked at as a whole.',
  },
  'time-limit': {
    family: 'evasion',
    score: 60,
    explanation: 'Looking at this took longer than it may; what was found by then stands here.',
  },
  'too-deep': {
    family: 'obfuscation',
    score: 55,
    explanation: 'This is nested deeper than people write, and was not looked at below that.',
  },
  'invalid-utf8': {
    family: 'obfuscation',
    score: 40,
    explanation: 'This is no valid text: what is shown of it may differ from what runs.',
  },
  polyglot: {
    family: 'obfuscation',
    score: 72,
    explanation:
      'This is a file of another kind, too: one program for whoever looks, another for whoever runs it.',
  },
  'steps-limit': {
    family: 'evasion',
    score: 40,
    explanation: 'Following this takes more steps than it may; what was found by then stands here.',
  },
};

export function* analysisNotes(scene: Scene): Iterable<Found> {
  const notes = new Set(scene.notes ?? []);
  if (scene.isCut) notes.add('steps-limit');
  for (const note of notes) {
    const known = NOTES[note];
    if (known === undefined) continue;
    yield {
      family: known.family,
      name: `analysis/${note}`,
      start: 0,
      end: Math.min(200, scene.source.length),
      score: known.score,
      explanation: known.explanation,
      remedy: 'Publish plain source in files of ordinary size.',
    };
  }
}
