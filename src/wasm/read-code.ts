/** Functions' bodies: every index leads somewhere, every block is closed, at the right place. */
import { checkIndices } from './check-indices.ts';
import type { Draft } from './draft.ts';
import { InstructionReader } from './instruction-reader.ts';
import type { Body, Locals } from './module.ts';
import { tooLarge } from './problem.ts';
import { readType } from './read-declarations.ts';
import type { Reader } from './reader.ts';

export function readCode(reader: Reader, draft: Draft): void {
  const offset = reader.position;
  const count = reader.count('bodies', reader.end);
  if (count !== draft.functions.length)
    throw reader.malformed(`${count} bodies for ${draft.functions.length} functions`, offset);
  for (const type of draft.functions) draft.bodies.push(readBody(reader, draft, type));
}

function readBody(reader: Reader, draft: Draft, type: number): Body {
  const offset = reader.position;
  const size = reader.u32();
  const { end } = reader;
  if (size > end - reader.position)
    throw reader.malformed(`a body of ${size} bytes is cut`, offset);
  if (size > draft.bounds.bodyBytes)
    throw tooLarge('bytes of a body', size, draft.bounds.bodyBytes, reader.place(offset));
  reader.end = reader.position + size;
  const parameters = draft.types[type]?.parameters.length ?? 0;
  const { locals, count } = readLocals(reader, draft, parameters);
  const begin = reader.position;
  checkInstructions(reader, draft, count);
  reader.end = end;
  return { locals, code: reader.bytes.subarray(begin, reader.position) };
}

/** Runs of locals, and how many there are with the parameters. */
export function readLocals(reader: Reader, draft: Draft, parameters: number) {
  const locals: Locals[] = [];
  let count = parameters;
  for (let left = reader.count('runs of locals', draft.bounds.locals); left > 0; left--) {
    const offset = reader.position;
    const run = { count: reader.u32(), type: readType(reader, draft) };
    count += run.count;
    if (count > draft.bounds.locals)
      throw tooLarge('parameters and locals', count, draft.bounds.locals, reader.place(offset));
    locals.push(run);
  }
  return { locals, count };
}

function checkInstructions(reader: Reader, draft: Draft, locals: number): void {
  const read = new InstructionReader(reader);
  /** Of each open block: whether it is an `if` that may still get its `else`. */
  const open: boolean[] = [false];
  while (read.next()) {
    const { name } = read.instruction;
    if (read.feature !== undefined) draft.uses(read.feature, reader, read.start, name);
    checkIndices(read, draft, locals, open.length);
    switch (name) {
      case 'if':
      case 'block':
      case 'loop':
        open.push(name === 'if');
        if (open.length > draft.bounds.nesting)
          throw tooLarge(
            'nested blocks',
            open.length,
            draft.bounds.nesting,
            reader.place(read.start),
          );
        break;
      case 'else':
        if (!open.at(-1)) throw reader.malformed('an else without its if', read.start);
        open[open.length - 1] = false;
        break;
      case 'end':
        open.pop();
        if (open.length > 0) break;
        if (!reader.atEnd) throw reader.malformed('instructions after the end of the function');
        return;
    }
  }
  throw reader.malformed('a function without its end');
}
