/** What the library has, and a service cannot: refused by name. TypeScript does not know these methods at all. */
import { CaissonError } from '../core/error.ts';

/** @param reasons by name of the method: what to do instead */
export function refuseMethods(prototype: object, reasons: Readonly<Record<string, string>>): void {
  for (const [name, reason] of Object.entries(reasons)) {
    const value = async (): Promise<never> => {
      throw localOnly(`${name}()`, reason);
    };
    Object.defineProperty(prototype, name, { value, configurable: true });
  }
}

export function localOnly(what: string, reason: string): CaissonError {
  return new CaissonError('REQUEST_INVALID', {
    layer: 'client',
    message: `${what} is the library’s alone: ${reason}`,
    hint: 'leave it out, or open a Caisson here',
    details: { option: what },
  });
}
