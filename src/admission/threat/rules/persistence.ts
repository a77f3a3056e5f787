/** What is run again, later, without being asked. */
import { PERSISTENT_PLACES, placeOf } from '../catalogue/places.ts';
import { FAMILIES } from '../families.ts';
import { at, type Found, type Scene, textsOf } from './scene.ts';

export function* persistence(scene: Scene): Iterable<Found> {
  for (const { use, entry } of scene.located) {
    if (use.form === 'import' || use.form === 'read') continue;
    const writes =
      entry.acts?.some((act) => act === 'write-file' || act === 'run' || act === 'persist') ===
      true;
    if (!writes) continue;
    const isRun = entry.acts?.includes('run') === true;
    const reading = scene.language === 'shell' && isRun;
    // What is copied or linked may come from there: what is changed stands last.
    const isCopy = /^sh:(cp|ln|mv|install|rsync)$/.test(use.path);
    const texts = isCopy ? textsOf({ ...use, args: use.args.slice(-1) }) : textsOf(use);
    const text =
      texts.find((one) => placeOf(PERSISTENT_PLACES, one.trim()) !== undefined) ??
      (isRun ? commandText(textsOf(use)) : undefined);
    if (text === undefined) continue;
    const what =
      placeOf(PERSISTENT_PLACES, text.trim())?.what ?? 'what the system starts by itself';
    yield {
      family: 'persistence',
      name: 'place',
      ...at(use),
      score: reading ? 40 : FAMILIES.persistence.base,
      capability: 'persistence',
      declared: 0,
      explanation: `This changes ${what}: it is run again without being asked.`,
    };
  }
}

const COMMAND =
  /\b(crontab\s+-(?!l)|schtasks\s[\s\S]*\/create|reg\s+add\s[\s\S]*\\Run|systemctl\s[\s\S]*enable|launchctl\s+(load|bootstrap)|New-ItemProperty[\s\S]*\\Run|>>\s*\S*\.(bashrc|zshrc|profile|bash_profile)\b)/i;

const commandText = (texts: readonly string[]): string | undefined => {
  const line = texts.join(' ').slice(0, 10_000);
  return COMMAND.test(line) ? line : undefined;
};
