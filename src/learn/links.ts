/**
 * Where a path leads, links resolved as the kernel does (path_resolution(7)). Looked at after the run: what the run
 * itself made and removed is taken as it is written.
 */
import type { PathResolver } from './observations.ts';

/** As many as the kernel follows before it says ELOOP. */
const LINKS_MAX = 40;

export class Links implements PathResolver {
  readonly #readLink: (path: string) => string | undefined;
  readonly #known = new Map<string, string | undefined>();

  /** @param readLink the text of a link; undefined for what is none, or is not there */
  constructor(readLink: (path: string) => string | undefined) {
    this.#readLink = readLink;
  }

  resolve(path: string, follow: boolean): { path: string; links: string[] } {
    const rest = path.split('/').reverse();
    const links: string[] = [];
    let at: string[] = [];
    while (rest.length > 0) {
      const name = rest.pop() as string;
      if (name === '' || name === '.') continue;
      if (name === '..') {
        at.pop();
        continue;
      }
      at.push(name);
      if (!follow && rest.every((each) => each === '' || each === '.')) continue;
      const here = `/${at.join('/')}`;
      const to = this.#linkAt(here);
      if (to === undefined || links.length >= LINKS_MAX) continue;
      links.push(here);
      at = to.startsWith('/') ? [] : at.slice(0, -1);
      rest.push(...to.split('/').reverse());
    }
    return { path: `/${at.join('/')}`, links };
  }

  #linkAt(path: string): string | undefined {
    // Links of /proc speak of who asks, and that is us.
    if (path === '/proc' || path.startsWith('/proc/')) return undefined;
    if (!this.#known.has(path)) this.#known.set(path, this.#readLink(path));
    return this.#known.get(path);
  }
}
