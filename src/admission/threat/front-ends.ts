/** What each language brings: how it is parsed, and its dialect. Loaded when it is asked for. */
import type { Dialect } from './interpret/dialect.ts';
import type { ProgramTree } from './tree.ts';

export type FrontEndName = 'javascript' | 'typescript' | 'python' | 'shell';

export interface FrontEnd {
  readonly dialect: Dialect;
  /** @param deadline in milliseconds of `performance.now()` */
  lower(source: string, deadline: number): ProgramTree;
}

const loaded = new Map<FrontEndName, FrontEnd>();

export async function openFrontEnd(name: FrontEndName): Promise<void> {
  if (!loaded.has(name)) loaded.set(name, await LOAD[name]());
}

/** Undefined: it was not opened. */
export function frontEndOf(name: FrontEndName): FrontEnd | undefined {
  return loaded.get(name);
}

const LOAD: Readonly<Record<FrontEndName, () => Promise<FrontEnd>>> = {
  async javascript() {
    const { javascript: dialect } = await import('./javascript/dialect.ts');
    const { lower } = await import('./javascript/front-end.ts');
    return { dialect, lower };
  },
  async typescript() {
    const { javascript: dialect } = await import('./javascript/dialect.ts');
    const { lowerTypeScript: lower } = await import('./javascript/typescript.ts');
    return { dialect, lower };
  },
  async python() {
    const { python: dialect } = await import('./python/dialect.ts');
    const { lower, open } = await import('./python/front-end.ts');
    await open();
    return { dialect, lower };
  },
  async shell() {
    const { shell: dialect } = await import('./shell/dialect.ts');
    const { lower, open } = await import('./shell/front-end.ts');
    await open();
    return { dialect, lower };
  },
};
