/** Files of a sandbox, as its guest sees them: every request is carried out inside, with the guest's rights. */
import * as z from 'zod/mini';
import { idParam, wholeNumber, yesOrNo } from './query.ts';
import { defineRoute } from './route.ts';

/** PATH_MAX of the kernel, with its NUL. */
const PATH_MAX = 4095;

const guestPath = z.string().check(
  z.minLength(1),
  z.maxLength(PATH_MAX),
  z.refine((path) => !path.includes('\0'), { error: 'a path has no NUL' }),
  z.describe('Inside: absolute, or from the directory that commands start in'),
);

const pathQuery = z.strictObject({ path: guestPath });
const follow = z.optional(
  yesOrNo('Whether a link in the last component is followed, inside; default false'),
);
const mode = (description: string) =>
  z
    .string()
    .check(
      z.regex(/^0?[0-7]{3}$/, { error: 'write three octal digits, such as 644' }),
      z.describe(description),
    );

const fileInfo = z.object({
  type: z
    .enum(['file', 'directory', 'link', 'special'])
    .check(z.describe('special: a device, a FIFO or a socket')),
  mode: z.string().check(z.describe('Permission bits, octal')),
  size: z.number().check(z.describe('Bytes')),
  modifiedMs: z.number().check(z.describe('Unix milliseconds')),
  target: z.optional(z.string()).check(z.describe('Of a link, where one was asked about')),
});
export type WireFileInfo = z.infer<typeof fileInfo>;

const listedFile = z.object({ name: z.string().check(z.describe('Its name')), ...fileInfo.shape });

export const fileEvent = z.object({
  kind: z.enum(['added', 'modified', 'removed']).check(z.describe('What happened')),
  path: z.string().check(z.describe('Below what is watched, joined to it')),
});

const tag = 'files';
const ANY = ['NOT_FOUND', 'SANDBOX_CLOSED', 'CONFLICT', 'FILE_FAILED'] as const;
const UPLOAD = ['QUOTA_EXCEEDED', 'TOO_LARGE', 'ABORTED', ...ANY] as const;
const read = { tag, scope: 'sandboxes:read', params: idParam, errors: ANY } as const;
const write = { tag, scope: 'sandboxes:write', params: idParam, errors: ANY } as const;
const done = { 204: { description: 'Done' } } as const;

export const readFile = defineRoute({
  ...read,
  id: 'readFile',
  method: 'GET',
  path: '/api/sandboxes/{id}/files',
  summary: 'A file',
  description:
    'Its bytes as they are. Takes `Range: bytes=FROM-TO` and `If-None-Match`; the ETag stands for inode, size and time of change. One that is weak (`W/`) is of a file that changes too often to say, and is matched by no `If-Match`.',
  query: z.strictObject({ path: guestPath, follow }),
  answers: {
    200: { description: 'All of it', content: 'application/octet-stream' },
    206: { description: 'The part that was asked for', content: 'application/octet-stream' },
    304: { description: 'It has not changed' },
    416: { description: 'It has no such part' },
  },
});

export const writeFile = defineRoute({
  ...write,
  id: 'writeFile',
  method: 'PUT',
  path: '/api/sandboxes/{id}/files',
  summary: 'Make or replace a file',
  description:
    'In one step, at the end, unless `existing` says otherwise: half an upload is never seen. A link in its place is replaced. Takes `If-Match` (an ETag that was told, or *) and `If-None-Match: *`.',
  query: z.strictObject({
    path: guestPath,
    mode: z.optional(mode('Permission bits, octal; default as they are, 644 for a new file')),
    parents: z.optional(yesOrNo('Whether missing directories are made; default false')),
    existing: z
      .optional(z.enum(['replaced', 'overwritten', 'appended']))
      .check(
        z.describe(
          'What becomes of a file that is there: replaced in one step at the end (default), or written to where it stands, piece by piece as the bytes come; a link is refused then',
        ),
      ),
  }),
  body: { bytes: 'application/octet-stream', description: 'What is in it' },
  answers: {
    200: {
      description: 'It is there',
      schema: z.object({
        size: z.number().check(z.describe('Bytes')),
        etag: z.string().check(z.describe('Its new one')),
      }),
    },
  },
  errors: [...UPLOAD, 'PRECONDITION_FAILED'],
});

export const removeFile = defineRoute({
  ...write,
  id: 'removeFile',
  method: 'DELETE',
  path: '/api/sandboxes/{id}/files',
  summary: 'Remove a file, a link or a directory',
  query: z.strictObject({
    path: guestPath,
    recursive: z.optional(yesOrNo('Whether what is in a directory goes too; default false')),
  }),
  answers: done,
});

export const statFile = defineRoute({
  ...read,
  id: 'statFile',
  method: 'GET',
  path: '/api/sandboxes/{id}/files/stat',
  summary: 'What is there',
  query: z.strictObject({ path: guestPath, follow }),
  answers: { 200: { description: 'What it is', schema: fileInfo } },
});

export const listFiles = defineRoute({
  ...read,
  id: 'listFiles',
  method: 'GET',
  path: '/api/sandboxes/{id}/files/list',
  summary: 'What is in a directory, in the order of its file system',
  query: z.strictObject({
    path: guestPath,
    limit: z.optional(wholeNumber(1, 1000, 'At most so many, default 1000')),
    after: z.optional(
      wholeNumber(1, Number.MAX_SAFE_INTEGER, 'Where to go on: `next` of the part before'),
    ),
  }),
  answers: {
    200: {
      description: 'A part of it',
      schema: z.object({
        items: z.array(listedFile).check(z.describe('What is in it')),
        next: z.optional(z.int()).check(z.describe('Hand it in as `after`; absent: that was all')),
      }),
    },
  },
});

export const makeDirectory = defineRoute({
  ...write,
  id: 'makeDirectory',
  method: 'POST',
  path: '/api/sandboxes/{id}/files/mkdir',
  summary: 'Make a directory',
  body: z.strictObject({
    path: guestPath,
    recursive: z
      .optional(z.boolean())
      .check(z.describe('With those above it; then it may be there already. Default false')),
    mode: z.optional(mode('Permission bits, octal; default 755')),
  }),
  answers: done,
});

export const moveFile = defineRoute({
  ...write,
  id: 'moveFile',
  method: 'POST',
  path: '/api/sandboxes/{id}/files/move',
  summary: 'Rename a file or a directory; a file in the new place is replaced',
  body: z.strictObject({ from: guestPath, to: guestPath }),
  answers: done,
});

export const changeMode = defineRoute({
  ...write,
  id: 'changeMode',
  method: 'POST',
  path: '/api/sandboxes/{id}/files/chmod',
  summary: 'Change permission bits',
  body: z.strictObject({ path: guestPath, mode: mode('Permission bits, octal') }),
  answers: done,
});

export const makeLink = defineRoute({
  ...write,
  id: 'makeLink',
  method: 'POST',
  path: '/api/sandboxes/{id}/files/link',
  summary: 'Make a symbolic link',
  body: z.strictObject({ path: guestPath, target: guestPath }),
  answers: done,
});

export const watchFiles = defineRoute({
  ...read,
  id: 'watchFiles',
  method: 'GET',
  path: '/api/sandboxes/{id}/files/watch',
  summary: 'What changes below a directory, as events',
  description:
    'Events `change` with {kind, path}, and `problem`, such as where there are more than 10,000 files. Found by looking again and again.',
  query: z.strictObject({
    path: guestPath,
    recursive: z.optional(yesOrNo('Whether what lies deeper is watched; default true')),
    intervalMs: z.optional(wholeNumber(50, 60_000, 'How often it is looked; default 500')),
    most: z.optional(wholeNumber(1, 10_000, 'Files that may be there at most; default 10,000')),
  }),
  answers: { 200: { description: 'Events', content: 'text/event-stream' } },
});

export const readTree = defineRoute({
  ...read,
  id: 'readTree',
  method: 'GET',
  path: '/api/sandboxes/{id}/tree',
  summary: 'A directory with everything in it, as a tar archive',
  description:
    'Links as links; devices, FIFOs and sockets are left out. A file that becomes shorter meanwhile is filled up with zeros.',
  query: pathQuery,
  answers: { 200: { description: 'POSIX tar', content: 'application/x-tar' } },
});

export const writeTree = defineRoute({
  ...write,
  id: 'writeTree',
  method: 'PUT',
  path: '/api/sandboxes/{id}/tree',
  summary: 'Unpack a tar archive into a directory, which is made where it is missing',
  description:
    'Files, directories and symbolic links. Refused: absolute paths, `..`, hard links, devices, entries behind a link of the same archive, more than 100,000 entries. What was unpacked before something is refused stays.',
  query: pathQuery,
  body: { bytes: 'application/x-tar', description: 'POSIX or GNU tar, not compressed' },
  answers: {
    200: {
      description: 'What was made',
      schema: z.object({
        files: z.int().check(z.describe('Files')),
        directories: z.int().check(z.describe('Directories')),
        links: z.int().check(z.describe('Symbolic links')),
        bytes: z.number().check(z.describe('Of all files')),
      }),
    },
  },
  errors: UPLOAD,
});
