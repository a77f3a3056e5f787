/**
 * What a translation of srt settings has to be told, since it looks at no file itself.
 */
import type { At } from './srt-paths.ts';

export interface SrtContext {
  /** What `~` stands for: absolute, without links. */
  readonly home: string;
  /** Where the command runs, which relative paths are below, and what becomes the workspace: absolute, without links. */
  readonly cwd: string;
  /**
   * Where a path leads, links resolved; nothing where it is not there, which srt leaves out of its lists, too.
   * Default: every path is there and is no link.
   */
  readonly look?: (path: string) => string | undefined;
  /** The paths that match a pattern now (`srtGlobMatcher`), of nested ones the outermost. Default: patterns are refused. */
  readonly expand?: (pattern: string) => readonly string[];
  /** The file's name, for messages. */
  readonly source?: string;
}

/** Notes what cannot be translated, with the place of the field. */
export type SrtReport = (at: At, message: string, suggestion?: string) => void;
