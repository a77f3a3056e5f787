/**
 * Entries of a tar archive: ustar and pax (POSIX.1-2017, pax), GNU's long names and sizes in base 256.
 *
 * Readers of tar differ in what they make of a header that contradicts itself, and code is hidden in the difference. So
 * whatever two readers could take differently is told.
 */
import { ArchiveEnds, type ArchiveEntry, type ReadArchive } from './archive.ts';
import { entryPath, leadsOut } from './entry-path.ts';
import { Pieces } from './pieces.ts';
import { paxRecords, type TarHeader, tarHeader } from './tar-header.ts';

const BLOCK = 512;
/** Of a pax header or a long name: longer names are no names. */
const EXTENSION_MAX = 1024 * 1024;
const BEHIND = 'something stands behind the end of the tar archive';

/** What stands before an entry and is said of it. */
interface Said {
  path?: string;
  link?: string;
  size?: number;
}

/** @throws ArchiveEnds */
export async function* readTar(
  content: AsyncIterable<Buffer>,
  options: ReadArchive,
): AsyncGenerator<ArchiveEntry, void, undefined> {
  const input = new Pieces(content);
  const seen = new Set<string>();
  try {
    yield* entries(input, options, seen);
  } finally {
    await input.close();
  }
}

async function* entries(
  input: Pieces,
  options: ReadArchive,
  seen: Set<string>,
): AsyncGenerator<ArchiveEntry, void, undefined> {
  const { limits, odd } = options;
  let always: Said = {};
  let next: Said = {};
  let count = 0;
  let hasEnded = false;
  let isBehindTold = false;
  for (;;) {
    const block = await input.take(BLOCK);
    if (block.length === 0) {
      if (count === 0 && !hasEnded) throw new ArchiveEnds('damaged', 'there is nothing in it');
      return;
    }
    if (block.length === BLOCK && block.every((byte) => byte === 0)) {
      hasEnded = true;
      continue;
    }
    // Readers differ in whether they look behind the end: so it is told, and looked at.
    if (hasEnded && !isBehindTold) odd({ kind: 'hidden-data', message: BEHIND });
    isBehindTold = hasEnded;
    const header = block.length === BLOCK ? tarHeader(block) : undefined;
    if (header === undefined && hasEnded) return;
    if (block.length < BLOCK) throw new ArchiveEnds('damaged', 'it ends in the midst of a header');
    if (header === undefined) {
      throw new ArchiveEnds('damaged', 'a header is none: its checksum is wrong');
    }
    count++;
    if (count > limits.entries) {
      throw new ArchiveEnds('bomb', `it has more than ${limits.entries} entries`);
    }
    if ('xgLK'.includes(header.type)) {
      const text = await extension(input, header);
      if (header.type === 'L') next.path = untilNul(text);
      else if (header.type === 'K') next.link = untilNul(text);
      else {
        const said = saidIn(text);
        if (header.type === 'g') always = { ...always, ...said };
        else next = { ...next, ...said };
      }
      continue;
    }
    const said = { ...always, ...next };
    next = {};
    yield* entry(input, header, said, options, seen);
  }
}

async function* entry(
  input: Pieces,
  header: TarHeader,
  said: Said,
  { limits, odd }: ReadArchive,
  seen: Set<string>,
): AsyncGenerator<ArchiveEntry, void, undefined> {
  const { type } = header;
  const named = entryPath(said.path ?? header.path);
  for (const each of named.odd) odd(each);
  const { path } = named;
  const name = { entry: path };
  const isLink = type === '1' || type === '2';
  // Links and directories have no content, whatever their size says; some readers skip it all the same.
  const hasContent = !isLink && !'3456'.includes(type);
  const size = said.size ?? header.size;
  if (said.size !== undefined && header.size !== 0 && said.size !== header.size) {
    odd({
      kind: 'size-lie',
      ...name,
      message: 'its header and its extended header give two sizes',
    });
  }
  if (!hasContent && size !== 0) {
    odd({ kind: 'ambiguous', ...name, message: 'it is no file, and has a size all the same' });
  }
  if ('346'.includes(type)) {
    odd({ kind: 'special-file', ...name, message: 'it is a device or a pipe' });
  }
  if (type === 'S' || !'01234567'.includes(type)) {
    odd({
      kind: 'unsupported',
      ...name,
      message: `an entry of type ${JSON.stringify(type)} is read as a file`,
    });
  }
  if (isLink) {
    const target = said.link ?? header.link;
    // A hard link names an entry, a symbolic one a place beside it.
    if (leadsOut(type === '1' ? '' : path, target)) {
      odd({ kind: 'link-outside', ...name, message: `it links to ${JSON.stringify(target)}` });
    }
    yield { path, kind: 'link', size: 0, target, read: async () => undefined };
  }
  if (type !== '5' && path !== '') {
    if (seen.has(path)) odd({ kind: 'duplicate', ...name, message: 'it is there more than once' });
    seen.add(path);
  }
  const length = hasContent ? size : 0;
  let left = length;
  if (hasContent && path !== '') {
    yield {
      path,
      kind: 'file',
      size,
      async read() {
        if (size > limits.entryBytes) return undefined;
        const bytes = await input.take(size);
        left -= bytes.length;
        if (left > 0) throw new ArchiveEnds('damaged', 'it ends in the midst of an entry', path);
        return bytes;
      },
    };
  }
  const padded = left + ((BLOCK - (length % BLOCK)) % BLOCK);
  if ((await input.skip(padded)) < left) {
    throw new ArchiveEnds('damaged', 'it ends in the midst of an entry', path);
  }
}

async function extension(input: Pieces, { size }: TarHeader): Promise<Buffer> {
  if (size > EXTENSION_MAX) {
    throw new ArchiveEnds('bomb', `an extended header is longer than ${EXTENSION_MAX} bytes`);
  }
  const text = await input.take(size);
  await input.skip((BLOCK - (size % BLOCK)) % BLOCK);
  if (text.length < size) throw new ArchiveEnds('damaged', 'it ends in an extended header');
  return text;
}

function saidIn(text: Buffer): Said {
  const records = paxRecords(text);
  if (records === undefined) throw new ArchiveEnds('damaged', 'an extended header is damaged');
  if ([...records.keys()].some((key) => key.startsWith('GNU.sparse.'))) {
    throw new ArchiveEnds('unsupported', 'sparse files are not read');
  }
  const said: Said = {};
  const path = records.get('path');
  const link = records.get('linkpath');
  const size = records.get('size');
  if (path !== undefined) said.path = path;
  if (link !== undefined) said.link = link;
  if (size !== undefined) {
    said.size = Number(size);
    if (!/^\d{1,15}$/.test(size)) throw new ArchiveEnds('damaged', 'a size is no number');
  }
  return said;
}

function untilNul(text: Buffer): string {
  const end = text.indexOf(0);
  return (end < 0 ? text : text.subarray(0, end)).toString('utf8');
}
