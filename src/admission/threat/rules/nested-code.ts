/** Programs within the program: constant texts that reach what runs them. */
import type { SourceLanguage } from '../catalogue.ts';
import type { Scene } from './scene.ts';

export interface NestedCode {
  readonly language: SourceLanguage;
  readonly source: string;
  /** The use that runs it. */
  readonly start: number;
  readonly end: number;
}

const MOST = 20;
const LONGEST = 500_000;

/** At most 20, each of at most 500,000 characters. */
export function nestedCode(scene: Scene): NestedCode[] {
  const found: NestedCode[] = [];
  const add = (
    language: SourceLanguage,
    source: unknown,
    use: { start: number; end: number },
  ): void => {
    if (typeof source !== 'string' || source.length < 8 || source.length > LONGEST) return;
    if (found.length < MOST) found.push({ language, source, start: use.start, end: use.end });
  };
  const own = scene.language === 'typescript' ? 'javascript' : scene.language;
  for (const { use, entry } of scene.doing('evaluate', 'shell', 'run')) {
    const words = use.args.flatMap(
      ({ items, constant }) => items?.map((item) => item.constant) ?? [constant],
    );
    if (entry.acts?.includes('shell') === true) {
      add('shell', use.args[0]?.constant, use);
    } else if (entry.acts?.includes('run') === true) {
      const program = own === 'shell' ? use.path.replace(/^sh:/, '') : String(words.shift() ?? '');
      const flag = words.findIndex(
        (word) => word === '-c' || word === '-e' || word === '-lc' || word === '--eval',
      );
      add(
        languageOf(program),
        own === 'shell' && flag < 0 ? use.input?.constant : words[flag + 1],
        use,
      );
    } else if (own === 'shell') {
      add('shell', words.join(' '), use);
    } else {
      // `new Function('a', 'b', body)`: the last is the body.
      add(own, /Function$/.test(use.path) ? words.at(-1) : words[0], use);
    }
  }
  // What is written to a file by a program that starts programs may be what it starts.
  const writes = scene.doing('run').length === 0 ? [] : scene.doing('write-file');
  for (const { use } of writes) {
    for (const value of use.args) {
      const text = value.constant;
      if (typeof text !== 'string' || text.length < 40 || !ACTS.test(text)) continue;
      add(/^#!.*\b(ba|da|z)?sh\b/.test(text) ? 'shell' : own, text, use);
    }
  }
  return found.filter(({ source }) => source !== scene.source);
}

/** Words without which a text of code does nothing of interest. */
const ACTS = /\b(import|require|exec|eval|system|spawn|urlopen|fetch|curl|wget)\b/;

function languageOf(program: string): SourceLanguage {
  if (/(^|[\\/])python[\d.]*(\.exe)?$/.test(program)) return 'python';
  return /(^|[\\/])(node|deno|bun)(\.exe)?$/.test(program) ? 'javascript' : 'shell';
}
