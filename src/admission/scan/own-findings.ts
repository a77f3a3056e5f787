/**
 * Findings that stand in no syntax tree: what is odd about an archive, what a package runs on installation, what could not
 * be analysed at all.
 */
import type { Finding, SourceRange, ThreatFamily } from '../../core/admission.ts';
import type { Oddity, OddityKind } from '../archive/archive.ts';

interface OddityFacts {
  readonly family: ThreatFamily;
  readonly score: number;
  readonly explanation: string;
}

/** 85 and more is what no packer of npm or PyPI ever makes; below that, what broken tools are known to. */
const ODDITIES: Readonly<Record<OddityKind, OddityFacts>> = {
  'path-outside': {
    family: 'filesystem',
    score: 90,
    explanation: 'Unpacked by a program that believes its names, it writes outside of its place.',
  },
  'path-strange': {
    family: 'evasion',
    score: 60,
    explanation: 'A name like that deceives whoever reads a listing.',
  },
  duplicate: {
    family: 'evasion',
    score: 60,
    explanation:
      'Who unpacks takes one of them, who looks at it may be shown the other. Both were looked at here.',
  },
  'link-outside': {
    family: 'filesystem',
    score: 85,
    explanation: 'Through such a link an unpacker reads and writes outside of its place.',
  },
  'special-file': {
    family: 'filesystem',
    score: 60,
    explanation: 'No package needs a device or a pipe.',
  },
  encrypted: {
    family: 'evasion',
    score: 85,
    explanation: 'What cannot be looked at cannot be judged, and no installer could unpack it.',
  },
  'size-lie': {
    family: 'evasion',
    score: 85,
    explanation:
      'Readers that believe the one number see other content than those that believe the other.',
  },
  overlap: {
    family: 'resource-abuse',
    score: 90,
    explanation: 'Made so that little expands to much, or that two readers see different content.',
  },
  ambiguous: {
    family: 'evasion',
    score: 85,
    explanation:
      'Readers differ in which of the two counts, so that what is looked at is not what is unpacked.',
  },
  'hidden-data': {
    family: 'evasion',
    score: 60,
    explanation:
      'It can be another archive for other readers, or a payload that is read back later.',
  },
  bomb: {
    family: 'resource-abuse',
    score: 90,
    explanation:
      'It fills memory or disk of whoever unpacks it. What stands behind was not looked at.',
  },
  damaged: {
    family: 'evasion',
    score: 60,
    explanation:
      'What stands behind the damage was not looked at; a more forgiving reader may find it.',
  },
  unsupported: {
    family: 'evasion',
    score: 60,
    explanation: 'It was not looked at, and an installer may read it.',
  },
};

/** Of what stands at no place. */
export const NOWHERE: SourceRange = {
  start: 0,
  end: 0,
  line: 1,
  column: 1,
  endLine: 1,
  endColumn: 1,
};

export function oddityFinding({ kind, message }: Oddity): Finding {
  const { family, score, explanation } = ODDITIES[kind];
  return {
    family,
    rule: `archive/${kind}`,
    score,
    range: NOWHERE,
    excerpt: '',
    explanation: `${message[0]?.toUpperCase()}${message.slice(1)}. ${explanation}`,
    remedy: 'Pack it anew with the ordinary tool (npm pack, python -m build), and scan that.',
  };
}

export function installScriptFinding(name: string, range: SourceRange, excerpt: string): Finding {
  return {
    family: 'persistence',
    rule: 'package/install-script',
    score: 25,
    range,
    excerpt,
    explanation: `${name} is run by whoever installs this, before anybody has called anything of it.`,
    remedy: 'Install with --ignore-scripts, or publish what the script would make.',
    capability: 'persistence',
  };
}

export function bytecodeFinding(): Finding {
  return {
    family: 'native-code',
    rule: 'package/bytecode',
    score: 60,
    range: NOWHERE,
    excerpt: '',
    explanation:
      'Compiled Python outside of __pycache__ runs without its source, and cannot be looked at.',
    remedy: 'Publish the source.',
  };
}

/** What an analysis that did not come to its end counts for: it may hide anything, and big generated files do it too. */
export const SUSPICIOUS = 60;

export type Unanalysed = 'time-limit' | 'too-large' | 'out-of-memory' | 'crashed';

const UNANALYSED: Readonly<Record<Unanalysed, string>> = {
  'time-limit': 'Its analysis was ended: it took longer than it may',
  'too-large': 'It is larger than what is analysed',
  'out-of-memory': 'Its analysis was ended: it took more memory than it may',
  crashed: 'Its analysis ended with a fault',
};

export function unanalysedFinding(why: Unanalysed): Finding {
  return {
    family: 'evasion',
    rule: `analysis/${why}`,
    score: SUSPICIOUS,
    range: NOWHERE,
    excerpt: '',
    explanation: `${UNANALYSED[why]}, so that nobody knows what is in it.`,
    remedy: 'Split it, or look at it by hand and waive this by its digest.',
  };
}
