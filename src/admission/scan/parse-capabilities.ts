/** Capabilities as a command line names them. */
import { CAPABILITIES, type Capability } from '../../core/admission.ts';
import { CaissonError } from '../../core/error.ts';

/** `network,filesystem`. @throws REQUEST_INVALID */
export function parseCapabilities(text: string): Capability[] {
  return text
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '')
    .map((word) => {
      const found = CAPABILITIES.find((each) => each === word);
      if (found !== undefined) return found;
      throw new CaissonError('REQUEST_INVALID', {
        layer: 'admission',
        message: `${JSON.stringify(word)} is no capability`,
        hint: `one of ${CAPABILITIES.join(', ')}`,
      });
    });
}
