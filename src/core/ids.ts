/**
 * Names for what must be told apart: runs, sandboxes, overlays.
 */

/** `run_0192…`: sorts by time of making, cannot be guessed. */
export function newId(prefix: 'run' | 'sandbox' | 'overlay'): string {
  const random = crypto.getRandomValues(new Uint8Array(10));
  let text = Date.now().toString(16).padStart(12, '0');
  for (const byte of random) text += byte.toString(16).padStart(2, '0');
  return `${prefix}_${text}`;
}

const shape = /^(?:run|sandbox|overlay)_[0-9a-f]{32}$/;

/** Whether a text is such a name: safe as a file name. */
export function isId(text: string): boolean {
  return shape.test(text);
}
