/** A report on stdout and stderr. */
import type { Report } from './command.ts';
import { writeAll } from './write-all.ts';

export async function print(
  { exit, document, text, notes = [] }: Report,
  json: boolean,
): Promise<number> {
  if (json) {
    const { toJson } = await import('./to-json.ts');
    await writeAll(1, toJson(document));
  } else {
    if (text !== undefined && text !== '') await writeAll(1, text);
    if (notes.length > 0) await writeAll(2, notes.map((note) => `caisson: ${note}\n`).join(''));
  }
  return exit;
}
