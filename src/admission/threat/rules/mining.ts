/** Mining: pools, how miners talk to them, and miners by their names. */
import { MINING, placeOf } from '../catalogue/places.ts';
import { at, type Found, type Scene, textsOf } from './scene.ts';

export function* mining(scene: Scene): Iterable<Found> {
  const kinds = new Set<string>();
  const places: { start: number; end: number; what: string; value: string }[] = [];
  for (const { text, place } of scene.placed(MINING)) {
    kinds.add(place.what);
    if (places.length < 20) places.push({ ...at(text), what: place.what, value: text.value });
  }
  for (const use of scene.language === 'shell' ? scene.facts.uses : []) {
    if (use.form !== 'command') continue;
    const place = placeOf(MINING, use.path.replace(/^sh:/, ''));
    if (place !== undefined) {
      kinds.add(place.what).add('is started');
      places.push({ ...at(use), what: place.what, value: use.path });
    }
  }
  if (places.length === 0) return;
  const started = scene
    .doing('run')
    .some(({ use }) => textsOf(use).some((text) => placeOf(MINING, text)));
  // A list of what is to be blocked names hundreds; who mines names one pool.
  const listed = places.length >= 20;
  const acts =
    started || kinds.has('is started') || scene.doing('send', 'run', 'worker', 'native').length > 0;
  for (const place of places) {
    const address =
      place.what === 'the address of a pool' || place.what === 'the protocol of pools';
    yield {
      family: 'cryptomining',
      name: address ? 'pool' : 'miner',
      start: place.start,
      end: place.end,
      score: listed
        ? 25
        : !acts
          ? 40
          : started || kinds.has('is started') || address || kinds.size > 1
            ? 95
            : 70,
      explanation: `This names ${place.what}${acts ? ', and acts' : ''}.`,
    };
  }
}
