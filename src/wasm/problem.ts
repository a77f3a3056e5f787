/** What can be wrong with a module: its bytes, its size, or what it asks for. */
import { CaissonError } from '../core/error.ts';
import type { Feature, RefusedFeature } from './features.ts';

/** Where in the file. */
export interface Place {
  /** Bytes from the beginning of the module. */
  readonly offset: number;
  /** `code`, `type`, `custom section 'name'` …; `header` before the first section. */
  readonly section: string;
}

/** `WASM_MALFORMED`: the bytes are no module that the binary format allows. */
export function malformed(message: string, place: Place): CaissonError {
  return new CaissonError('WASM_MALFORMED', {
    layer: 'wasm',
    message: `${message} ${at(place)}`,
    hint: 'compile it again; a file that was cut or changed on its way looks like this',
    details: { ...place },
  });
}

/** `WASM_TOO_LARGE`: more of something than the bounds given to the decoder. */
export function tooLarge(what: string, count: number, most: number, place: Place): CaissonError {
  return new CaissonError('WASM_TOO_LARGE', {
    layer: 'wasm',
    message: `${count} ${what}, at most ${most} are taken ${at(place)}`,
    hint: 'split the module, or raise the bound where it is decoded',
    details: { ...place, what, count, most },
  });
}

/** `WASM_REFUSED`: a feature that is known and not run here. */
export function refusedFeature(
  feature: Feature | RefusedFeature,
  instruction: string | undefined,
  place: Place,
): CaissonError {
  const by = instruction === undefined ? '' : ` (${instruction})`;
  return new CaissonError('WASM_REFUSED', {
    layer: 'wasm',
    message: `the module uses ${feature}${by}, which is refused here ${at(place)}`,
    hint: 'compile it without this feature',
    details: { ...place, feature, ...(instruction === undefined ? {} : { instruction }) },
  });
}

/** `WASM_REFUSED`: what the module declares does not go together with what it is given. */
export function refused(message: string, hint: string, details: object): CaissonError {
  return new CaissonError('WASM_REFUSED', {
    layer: 'wasm',
    message,
    hint,
    details: { ...details },
  });
}

function at({ offset, section }: Place): string {
  return `(${section}, offset 0x${offset.toString(16)})`;
}
