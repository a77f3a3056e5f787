/** Comments as programs have them, in what is written as JSON. */
import type { Place } from '../../policy/problems.ts';

/** @returns where the first of them begins; undefined where there is none, or the text is not written as JSON */
export function jsonComment(text: string): Place | undefined {
  if (!/^\s*(?:[{[]|\/[/*])/.test(text)) return undefined;
  // Strings as long as they were, so that places stay.
  const bare = text.replace(/"(?:[^"\\\n]|\\.)*"/g, (string) => '"'.repeat(string.length));
  const at = bare.search(/(?<=^|[\s,"\d{}[\]])\/[/*]/);
  if (at < 0) return undefined;
  const before = bare.slice(0, at).split('\n');
  return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
}
