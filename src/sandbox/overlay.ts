/**
 * A workspace whose changes are kept aside: directories for an overlay's upper layer, and what is to be known of it later.
 *
 *   STATE/overlays/ID/          0700
 *     overlay.json              workspace, policy, since when
 *     applied                   files that apply has written, a line each, so that they are not taken for somebody else's
 *     .PROCESS..caisson-…       where an apply makes the file that it is at (asides.ts)
 *     upper/  work/             overlayfs's own
 *     staged/                   copies that take the workspace's place below it, where the policy stages it
 *     beside/upper/  beside/work/   of the repository behind a worktree, where there is one
 */

import { mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod/mini';
import { CaissonError } from '../core/error.ts';
import { isId, newId } from '../core/ids.ts';
import { safeParse } from '../core/safe-parse.ts';
import { identityOf, ownWorld } from '../host/process-identity.ts';
import { copyLayer } from '../launcher/layer.ts';
import type { PathSet } from '../policy/policy.ts';
import { copyApplied } from './applied-stamps.ts';
import { removeLeftAsides } from './asides.ts';
import { inProgress } from './in-progress.ts';
import { removeTree } from './remove-tree.ts';
import { openStateDirectory, STATE_MODE } from './state-directory.ts';

const recordSchema = z.strictObject({
  version: z.literal(1).check(z.describe('Version of this file')),
  id: z.string().check(z.describe('Name of the overlay')),
  workspace: z.string().check(z.describe('The directory below, absolute')),
  policyDigest: z.string().check(z.describe('Policy of the run that made it')),
  protect: z
    .array(z.string())
    .check(z.describe('What apply refuses to change, relative to the workspace')),
  outputs: z.optional(
    z
      .array(z.strictObject({ path: z.string(), include: z.boolean() }))
      .check(
        z.describe('Of a staged workspace: rules of the paths that apply lets out; absent: all'),
      ),
  ),
  sinceNs: z
    .string()
    .check(
      z.describe(
        'When it was made, by the file system, ns; what is newer below was changed meanwhile',
      ),
    ),
  applied: z
    .record(z.string(), z.string())
    .check(
      z.describe(
        'As `applied` beside it, as it was written before: paths, with the ctime (ns) that they had',
      ),
    ),
  owner: z.optional(
    z
      .strictObject({
        pid: z.int(),
        startTime: z.string(),
        bootId: z.string(),
        pidNamespace: z.string(),
      })
      .check(z.describe('Process that still works on it; absent: finished, and somebody’s work')),
  ),
  beside: z.optional(
    z
      .strictObject({ directory: z.string(), protect: z.array(z.string()) })
      .check(z.describe('A second directory whose changes are kept: the repository of a worktree')),
  ),
});

export type OverlayRecord = z.infer<typeof recordSchema>;

/** One directory whose changes are kept aside. */
export interface OverlayLayer {
  /** Absolute: the directory below. */
  readonly lower: string;
  readonly upper: string;
  readonly work: string;
  /** Patterns relative to `lower`. */
  readonly protect: readonly string[];
  /** What alone may be brought out of it; absent: everything. */
  readonly outputs?: PathSet;
  /** What stands before a path of it in a change: nothing for the workspace, else `lower` and a slash. */
  readonly prefix: string;
}

type About = Pick<OverlayRecord, 'workspace' | 'policyDigest' | 'protect' | 'outputs' | 'beside'>;

/** Pending changes of one workspace. Lives until it is discarded. */
export class Overlay {
  readonly directory: string;
  #record: OverlayRecord;

  private constructor(directory: string, record: OverlayRecord) {
    this.directory = directory;
    this.#record = record;
  }

  /** @throws PATH_ESCAPES when the state directory is not the caller's alone. */
  static create(state: string, about: About): Overlay {
    const id = newId('overlay');
    const home = Overlay.#home(state);
    // Whole, or not there: a process that is killed meanwhile leaves nothing that looks like somebody's changes.
    const directory = join(home, inProgress(id));
    mkdirSync(directory, { mode: STATE_MODE });
    const upper = join(directory, 'upper');
    makeLayer(about.workspace, upper, join(directory, 'work'));
    if (about.beside !== undefined) {
      const [above, work] = besideIn(directory);
      mkdirSync(join(directory, 'beside'), { mode: STATE_MODE });
      makeLayer(about.beside.directory, above, work);
    }
    const record: OverlayRecord = {
      version: 1,
      id,
      workspace: about.workspace,
      policyDigest: about.policyDigest,
      protect: [...about.protect],
      ...(about.outputs === undefined ? {} : { outputs: about.outputs }),
      sinceNs: statSync(upper, { bigint: true }).ctimeNs.toString(),
      applied: {},
      ...ownOwner(),
      ...(about.beside === undefined ? {} : { beside: about.beside }),
    };
    new Overlay(directory, record).#save();
    renameSync(directory, join(home, id));
    return new Overlay(join(home, id), record);
  }

  /** @throws PATH_MISSING when there is no such overlay (any more). */
  static open(state: string, id: string): Overlay {
    const directory = join(Overlay.#home(state), id);
    const record = isId(id) ? readRecord(directory) : undefined;
    if (record === undefined) {
      throw new CaissonError('PATH_MISSING', {
        layer: 'sandbox',
        message: `there are no pending changes ${id}`,
        hint: 'the list of pending changes has those that there are (caisson diff without an id)',
      });
    }
    return new Overlay(directory, record);
  }

  /** Every overlay of the state directory, oldest first. */
  static list(state: string): OverlayRecord[] {
    return readdirSync(Overlay.#home(state))
      .filter(isId)
      .sort()
      .map((id) => readRecord(join(Overlay.#home(state), id)))
      .filter((record) => record !== undefined);
  }

  static #home(state: string): string {
    return openStateDirectory(join(openStateDirectory(state), 'overlays'));
  }

  get record(): OverlayRecord {
    return this.#record;
  }

  get id(): string {
    return this.#record.id;
  }

  get staged(): string {
    return join(this.directory, 'staged');
  }

  /** The workspace first. */
  get layers(): readonly OverlayLayer[] {
    const { workspace, protect, outputs, beside } = this.#record;
    const only = outputs === undefined ? {} : { outputs: { rules: outputs } };
    const upper = join(this.directory, 'upper');
    const work = join(this.directory, 'work');
    const first = { lower: workspace, upper, work, protect, prefix: '', ...only };
    if (beside === undefined) return [first];
    const [above, aside] = besideIn(this.directory);
    const { directory: lower, protect: kept } = beside;
    const second = {
      lower,
      upper: above,
      work: aside,
      protect: kept,
      prefix: `${lower}/`,
      ...only,
    };
    return [first, second];
  }

  /** Nobody works on it any more: from now on it is somebody's work, also when this process dies. */
  release(): void {
    const { owner: _gone, ...record } = this.#record;
    this.#record = record;
    this.#save();
  }

  /** A copy with a life of its own; the guest must not be writing meanwhile. @param signal gives it up */
  async copy(state: string, signal?: AbortSignal): Promise<Overlay> {
    const { sinceNs, applied, ...about } = this.#record;
    const twin = Overlay.create(state, about);
    try {
      for (const [i, { upper }] of this.layers.entries()) {
        await copyLayer(upper, twin.layers[i]?.upper as string, signal);
      }
      copyApplied(this.directory, twin.directory);
    } catch (error) {
      await twin.discard();
      throw error;
    }
    // What changed below since the first overlay was made is a conflict for the copy too.
    twin.#record = { ...twin.#record, sinceNs, applied };
    twin.#save();
    return twin;
  }

  /** Forgets the changes. Idempotent. */
  async discard(): Promise<void> {
    const home = join(this.directory, '..');
    const name = inProgress(this.id);
    removeLeftAsides(this.directory, this.layers);
    try {
      renameSync(this.directory, join(home, name));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
    await removeTree(home, name);
  }

  #save(): void {
    const path = join(this.directory, 'overlay.json');
    // Whoever is killed here leaves the old record or the new one.
    writeFileSync(`${path}.new`, `${JSON.stringify(this.#record)}\n`, { mode: 0o600 });
    renameSync(`${path}.new`, path);
  }
}

/** The merged directory takes owner and mode from the upper one; the owner is mapped by the launcher. */
function makeLayer(lower: string, upper: string, work: string): void {
  mkdirSync(upper, { mode: statSync(lower).mode & 0o777 });
  mkdirSync(work, { mode: STATE_MODE });
}

function ownOwner(): Pick<OverlayRecord, 'owner'> {
  const process_ = identityOf(process.pid);
  return process_ === undefined ? {} : { owner: { ...process_, ...ownWorld() } };
}

function besideIn(directory: string): [upper: string, work: string] {
  return [join(directory, 'beside', 'upper'), join(directory, 'beside', 'work')];
}

function readRecord(directory: string): OverlayRecord | undefined {
  try {
    const text = readFileSync(join(directory, 'overlay.json'), 'utf8');
    return safeParse(recordSchema, JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
