import { CaissonError, type ErrorLayer } from '../core/error.ts';

/** What a file is to be made of, where it comes piece by piece: each is bytes. @throws REQUEST_INVALID */
export async function* bytePieces(
  source: AsyncIterable<Uint8Array>,
  layer: ErrorLayer = 'sandbox',
): AsyncGenerator<Uint8Array> {
  const isIterable =
    typeof source === 'object' &&
    source !== null &&
    (Symbol.asyncIterator in source || Symbol.iterator in source);
  if (!isIterable || source instanceof Uint8Array) {
    throw invalid('the source of a file is no stream', layer);
  }
  for await (const piece of source) {
    if (!(piece instanceof Uint8Array)) {
      throw invalid(`a piece of the source is a ${typeof piece}`, layer);
    }
    yield piece;
  }
}

function invalid(message: string, layer: ErrorLayer): CaissonError {
  return new CaissonError('REQUEST_INVALID', {
    layer,
    message,
    hint: 'give a stream of bytes; write() takes a text or bytes as a whole',
  });
}
