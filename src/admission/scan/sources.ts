/**
 * Everything in a file, a directory or an archive that is code, one piece at a time; and what was passed over and why.
 * Links are not followed, nothing is opened that is no plain file, and nothing is written.
 */

import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename } from 'node:path/posix';
import type { Capability, Finding } from '../../core/admission.ts';
import {
  ARCHIVE_LIMITS,
  type ArchiveLimits,
  type ByteSource,
  type Oddity,
} from '../archive/archive.ts';
import { bufferSource, fileSource } from '../archive/byte-source.ts';
import {
  type ArchiveFormat,
  archiveEntries,
  archiveFormat,
  isArchiveName,
  MAGIC_BYTES,
} from '../archive/open-archive.ts';
import {
  HEAD_BYTES,
  kindOfFile,
  kindOfName,
  type ScanLanguage,
  type SkipReason,
} from './code-files.ts';
import { embeddedScripts, type Placing } from './embedded-scripts.ts';
import { MANIFEST_MAX_BYTES, type Manifest, readManifest } from './manifest.ts';
import { bytecodeFinding, oddityFinding } from './own-findings.ts';
import { importsOf } from './pth-imports.ts';
import { readPlainFile } from './read-plain-file.ts';
import { walk } from './walk.ts';

export interface Code {
  /** Relative to the root; entries of archives behind `!/`. Empty: the root itself. */
  readonly name: string;
  readonly language: ScanLanguage;
  /** Absent: too large. */
  readonly bytes: Buffer | undefined;
  readonly size: number;
  /** Run by installers, before anybody has asked for anything. */
  readonly runsOnInstall: boolean;
  /** Claimed by the nearest manifest. */
  readonly claims: readonly Capability[];
  /** Stands within another file: how its places are that file's. */
  readonly placing?: Placing;
}

export type Source =
  | { readonly kind: 'code'; readonly code: Code }
  | { readonly kind: 'skipped'; readonly name: string; readonly reason: SkipReason }
  /** Could not be read although it should have been. */
  | { readonly kind: 'unread'; readonly name: string; readonly reason: string }
  | { readonly kind: 'found'; readonly name: string; readonly finding: Finding };

/** Larger files are not held in memory. */
const CODE_MAX_BYTES = 32 * 1024 * 1024;
const DEEPEST_ARCHIVE = 3;
/** Of one kind in one archive: a hundred thousand say no more. */
const SAME_ODDITIES_MAX = 20;

export type SourcesOptions = { readonly limits?: ArchiveLimits };

/** @param path of a directory */
export async function* sourcesInDirectory(
  path: string,
  options: SourcesOptions = {},
): AsyncGenerator<Source, void, undefined> {
  for await (const found of walk(path)) {
    if (found.kind === 'unread') yield { kind: 'unread', name: found.name, reason: found.reason };
    else if (found.kind === 'other') {
      yield { kind: 'skipped', name: found.name, reason: found.isLink ? 'link' : 'special' };
    } else yield* sourcesInFile(found.path, found.name, found.manifests, options);
  }
}

/** @param name as results call it; empty for a root */
export async function* sourcesInFile(
  path: string,
  name: string,
  manifests: readonly Manifest[],
  options: SourcesOptions = {},
): AsyncGenerator<Source, void, undefined> {
  // A root that no name tells is looked into; what lies in directories is no archive unless it says so.
  const isUntold = name === '' && kindOfName(path) === undefined;
  if (isUntold || (isArchiveName(path) && !manifests.some(({ code }) => code.has(name)))) {
    const archive = await inArchiveFile(path, name, options);
    if (archive !== undefined) return yield* archive;
  }
  const read = readPlainFile(path, CODE_MAX_BYTES, (head) => wants(name || path, head, manifests));
  if ('unread' in read) yield { kind: 'unread', name, reason: read.unread };
  else if ('special' in read) yield { kind: 'skipped', name, reason: 'special' };
  else yield* sourcesIn(name, path, read.head, read.bytes, read.size, manifests);
}

function wants(name: string, head: Uint8Array, manifests: readonly Manifest[]): boolean {
  return 'language' in kindOf(name, head, manifests) || isEmbedding(name);
}

function isEmbedding(name: string): boolean {
  return basename(name) === 'package.json' || basename(name) === 'binding.gyp';
}

/** Node takes what a manifest names for JavaScript, whatever extension it has, but for a few. */
function kindOf(
  name: string,
  head: Uint8Array,
  manifests: readonly Manifest[],
): ReturnType<typeof kindOfFile> {
  const kind = kindOfFile(name, head);
  const isNamed =
    'skip' in kind && kind.skip === 'data' && manifests.some(({ code }) => code.has(name));
  return isNamed && !/\.(json|node|wasm|css|d\.ts|map)$/.test(name)
    ? { language: 'javascript' }
    : kind;
}

function* sourcesIn(
  name: string,
  path: string,
  head: Uint8Array,
  bytes: Buffer | undefined,
  size: number,
  manifests: readonly Manifest[],
): Generator<Source, void, undefined> {
  const own = name || path;
  const kind = kindOf(own, head, manifests);
  const claims = manifests.at(-1)?.declares ?? [];
  const runsOnInstall =
    basename(own) === 'setup.py' || manifests.some((each) => each.runOnInstall.has(name));
  if ('language' in kind) {
    const { language } = kind;
    const read = own.endsWith('.pth') && bytes !== undefined ? importsOf(bytes) : bytes;
    yield { kind: 'code', code: { name, language, bytes: read, size, runsOnInstall, claims } };
    return;
  }
  if (isEmbedding(own) && bytes === undefined) {
    yield { kind: 'unread', name, reason: `it is larger than ${CODE_MAX_BYTES} bytes` };
  }
  if (isEmbedding(own) && bytes !== undefined) {
    for (const { text, placing, finding } of embeddedScripts(own, bytes)) {
      if (finding !== undefined) yield { kind: 'found', name, finding };
      const script = Buffer.from(text);
      yield {
        kind: 'code',
        code: {
          name,
          language: 'shell',
          bytes: script,
          size: script.length,
          runsOnInstall: true,
          claims,
          placing,
        },
      };
    }
  }
  if (kind.skip === 'bytecode' && /\.py[co]$/.test(own) && !/(^|\/)__pycache__\//.test(own)) {
    yield { kind: 'found', name, finding: bytecodeFinding() };
  }
  yield { kind: 'skipped', name, reason: kind.skip };
}

/** @returns undefined where it is no archive in spite of its name */
async function inArchiveFile(
  path: string,
  name: string,
  { limits = ARCHIVE_LIMITS }: SourcesOptions,
): Promise<AsyncGenerator<Source, void, undefined> | undefined> {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
  const file = await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK).catch(() => undefined);
  // What cannot be opened is told by whoever reads plain files.
  if (file === undefined) return undefined;
  const stat = await file.stat();
  const source = fileSource(file, stat.size);
  const format = stat.isFile() ? await formatOf(source, path) : undefined;
  if (format === undefined) {
    await file.close();
    return undefined;
  }
  return (async function* () {
    try {
      yield* inArchive(source, format, name, limits, 1);
    } finally {
      await file.close();
    }
  })();
}

async function formatOf(
  source: ByteSource,
  path: string,
): Promise<ReturnType<typeof archiveFormat>> {
  const head = await source.read(0, MAGIC_BYTES);
  // Zip files may have anything before them, and are found from their end.
  const isZipName = /\.(zip|whl|egg|pyz|jar|nupkg|vsix)$/i.test(path);
  return archiveFormat(head) ?? (isZipName && head.length > 0 ? 'zip' : undefined);
}

async function* inArchive(
  source: ByteSource,
  format: ArchiveFormat | { readonly foreign: string },
  name: string,
  limits: ArchiveLimits,
  depth: number,
): AsyncGenerator<Source, void, undefined> {
  if (typeof format === 'object') {
    const reason = `${format.foreign} is not read here: unpack it in a sandbox, and scan the directory`;
    yield { kind: 'unread', name, reason };
    return;
  }
  const found: Source[] = [];
  const told = new Map<string, number>();
  const odd = (oddity: Oddity): void => {
    const count = (told.get(oddity.kind) ?? 0) + 1;
    told.set(oddity.kind, count);
    if (count > SAME_ODDITIES_MAX && oddity.ends !== true) return;
    const entry = oddity.entry === undefined ? name : `${name}!/${oddity.entry}`;
    found.push({ kind: 'found', name: entry, finding: oddityFinding(oddity) });
    if (oddity.ends === true) found.push({ kind: 'unread', name: entry, reason: oddity.message });
  };
  const manifests = await manifestsIn(source, format, limits);
  let left = limits.expandedBytes;
  for await (const { path, kind, size, read } of archiveEntries(source, format, { limits, odd })) {
    yield* found.splice(0);
    const entry = `${name}!/${path}`;
    if (kind === 'link') {
      yield { kind: 'skipped', name: entry, reason: 'link' };
      continue;
    }
    left -= size;
    const bytes = await read();
    yield* found.splice(0);
    const head = bytes?.subarray(0, Math.max(HEAD_BYTES, MAGIC_BYTES)) ?? Buffer.alloc(0);
    const inner =
      bytes !== undefined && isArchiveName(path)
        ? await formatOf(bufferSource(bytes), path)
        : undefined;
    if (inner !== undefined && bytes !== undefined) {
      if (depth >= DEEPEST_ARCHIVE) {
        const reason = `an archive in ${DEEPEST_ARCHIVE} others: unpack it in a sandbox, and scan the directory`;
        yield { kind: 'unread', name: entry, reason };
      } else {
        // What an inner archive expands to counts for the outer one, or a few of them would be a bomb.
        const innerLimits = { ...limits, expandedBytes: Math.max(0, left) };
        for await (const each of inArchive(
          bufferSource(bytes),
          inner,
          entry,
          innerLimits,
          depth + 1,
        )) {
          if (each.kind === 'code') left -= each.code.size;
          yield each;
        }
      }
      continue;
    }
    const near = nearest(manifests, path);
    for (const each of sourcesIn(path, path, head, bytes, size, near)) {
      yield each.kind === 'code'
        ? { kind: 'code', code: { ...each.code, name: entry } }
        : { ...each, name: entry };
    }
  }
  yield* found;
}

/** A first pass: which files are code may stand in a manifest behind them. */
async function manifestsIn(
  source: ByteSource,
  format: ArchiveFormat,
  limits: ArchiveLimits,
): Promise<Map<string, Manifest>> {
  const manifests = new Map<string, Manifest>();
  for await (const { path, kind, size, read } of archiveEntries(source, format, {
    limits,
    odd: () => {},
  })) {
    if (kind !== 'file' || basename(path) !== 'package.json' || size > MANIFEST_MAX_BYTES) continue;
    const manifest = readManifest(path, (await read())?.toString('utf8') ?? '');
    if (manifest !== undefined) manifests.set(path.slice(0, -'package.json'.length), manifest);
  }
  return manifests;
}

/** Of the directories above a path, outermost first. */
function nearest(manifests: ReadonlyMap<string, Manifest>, path: string): Manifest[] {
  const found: Manifest[] = [];
  for (let slash = -1; ; ) {
    const manifest = manifests.get(path.slice(0, slash + 1));
    if (manifest !== undefined) found.push(manifest);
    slash = path.indexOf('/', slash + 1);
    if (slash < 0) return found;
  }
}
