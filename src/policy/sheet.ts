/**
 * The documents that make one policy, from the most basic to the most special, and what is found
 * wrong with them, each at its place.
 */
import { isCaissonError } from '../core/error.ts';
import type { PolicyDocument } from './document.ts';
import {
  type DocumentPath,
  formatPath,
  type Locate,
  type Problem,
  policyInvalid,
} from './problems.ts';

/** One document and where it came from. */
export interface DocumentLayer {
  readonly document: PolicyDocument;
  /** File or profile, for messages. */
  readonly source?: string;
  readonly locate?: Locate;
}

export interface Entry {
  readonly value: string;
  readonly layer: DocumentLayer;
  readonly path: DocumentPath;
}

export class Sheet {
  readonly layers: readonly DocumentLayer[];
  readonly #problems: Problem[] = [];

  constructor(layers: readonly DocumentLayer[]) {
    this.layers = layers;
  }

  /** The most special answer. */
  last<T>(pick: (document: PolicyDocument) => T | undefined): T | undefined {
    return this.layers
      .map(({ document }) => pick(document))
      .findLast((value) => value !== undefined);
  }

  /** The most special layer that names this key, for telling a place. */
  lastLayer(path: DocumentPath): DocumentLayer | undefined {
    return this.layers.findLast(({ document }) => valueAt(document, path) !== undefined);
  }

  /** All entries of a list, from all layers, as they stand there. */
  items(...path: string[]): readonly (Omit<Entry, 'value'> & { readonly value: unknown })[] {
    return this.layers.flatMap((layer) => {
      const list = valueAt(layer.document, path);
      if (!Array.isArray(list)) return [];
      return list.map((value: unknown, i) => ({ value, layer, path: [...path, i] }));
    });
  }

  /** The same for a list of words; nothing when no layer names it. */
  entries(...path: string[]): readonly Entry[] | undefined {
    const lists = this.layers.flatMap((layer) => {
      const list = valueAt(layer.document, path);
      return Array.isArray(list) ? [{ layer, list }] : [];
    });
    if (lists.length === 0) return undefined;
    return lists.flatMap(({ layer, list }) =>
      list.map((value, i) => ({ value: String(value), layer, path: [...path, i] })),
    );
  }

  strings(...path: string[]): string[] {
    return (this.entries(...path) ?? []).map((entry) => entry.value);
  }

  report(
    layer: DocumentLayer | undefined,
    path: DocumentPath,
    message: string,
    suggestion?: string,
  ): void {
    this.#problems.push({
      path: formatPath(path),
      ...(layer?.source === undefined ? {} : { source: layer.source }),
      ...layer?.locate?.(path, 'value'),
      message,
      ...(suggestion === undefined ? {} : { suggestion }),
    });
  }

  /** What `parse` makes of a value, or a problem at its place. */
  attempt<T>(layer: DocumentLayer | undefined, path: DocumentPath, parse: () => T): T | undefined {
    try {
      return parse();
    } catch (error) {
      if (!isCaissonError(error)) throw error;
      this.report(layer, path, error.message, error.hint);
      return undefined;
    }
  }

  throwProblems(): void {
    if (this.#problems.length > 0) throw policyInvalid(this.#problems);
  }
}

function valueAt(document: unknown, path: DocumentPath): unknown {
  return path.reduce<unknown>(
    (value, step) =>
      typeof value === 'object' && value !== null && Object.hasOwn(value, step)
        ? (value as Record<string | number, unknown>)[step]
        : undefined,
    document,
  );
}
