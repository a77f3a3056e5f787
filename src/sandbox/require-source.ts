import { CaissonError, type ErrorLayer } from '../core/error.ts';
import type { ProgramSource } from './program.ts';

/** For callers without types: a source is a text, bytes, or files of them with an entry. @throws REQUEST_INVALID */
export function requireSource(source: ProgramSource, layer: ErrorLayer = 'sandbox'): void {
  if (isContent(source)) return;
  if (typeof source !== 'object' || source === null) {
    throw invalid(`the source is ${source === null ? 'null' : `a ${typeof source}`}`, layer);
  }
  const { files, entry, imports, libraries } = source;
  if (typeof files !== 'object' || files === null || typeof entry !== 'string') {
    throw invalid('the source has no files, or no entry', layer);
  }
  const odd = Object.entries(files).find(([, file]) => !isContent(file));
  if (odd !== undefined)
    throw invalid(`the file ${JSON.stringify(odd[0])} is neither text nor bytes`, layer);
  if (imports !== undefined && (typeof imports !== 'object' || imports === null)) {
    throw invalid('the imports of the source are no object', layer);
  }
  const areLibraries =
    libraries === undefined ||
    (Array.isArray(libraries) &&
      libraries.every((each) => typeof each?.name === 'string' && typeof each.source === 'string'));
  if (!areLibraries) throw invalid('the libraries of the source have no name and source', layer);
}

function isContent(value: unknown): value is string | Uint8Array {
  return typeof value === 'string' || value instanceof Uint8Array;
}

function invalid(message: string, layer: ErrorLayer): CaissonError {
  return new CaissonError('REQUEST_INVALID', {
    layer,
    message,
    hint: "give a text or bytes, or several: { files: { 'main.js': '…' }, entry: 'main.js' }",
  });
}
