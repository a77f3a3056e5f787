/**
 * Profiles: ready policies for the first day, in the same form as a person's own.
 */
import type { PolicyDocument } from './document.ts';
import { PROTECTED_BY_DEFAULT } from './protected-by-default.ts';

export interface Profile {
  /** One sentence: what it is for. */
  readonly summary: string;
  readonly document: PolicyDocument;
}

export type ProfileName = 'agent' | 'python' | 'node' | 'build' | 'readonly';

export const profiles: Readonly<Record<ProfileName, Profile>> = {
  agent: {
    summary:
      'A coding agent in a workspace: it may change the work, not what later runs as the person; home invisible, no network.',
    document: {
      version: 1,
      name: 'agent',
      level: 'moderate',
      filesystem: {
        read: ['.'],
        write: ['.'],
        workspace: 'overlay',
        apply: 'auto',
        protect: [...PROTECTED_BY_DEFAULT],
      },
    },
  },
  python: {
    summary: 'A Python program: reads the workspace, writes nothing but private /tmp, no network.',
    document: {
      version: 1,
      name: 'python',
      level: 'strict',
      filesystem: { read: ['.'] },
      environment: {
        // The workspace is read-only, so byte code beside the sources could not be written anyway.
        set: { PYTHONDONTWRITEBYTECODE: '1', PYTHONUNBUFFERED: '1', PYTHONNOUSERSITE: '1' },
      },
      limits: { memory: '1GiB', scratch: '256MiB', cpu: 2 },
    },
  },
  node: {
    summary: 'A Node program: reads the workspace, writes nothing but private /tmp, no network.',
    document: {
      version: 1,
      name: 'node',
      level: 'strict',
      filesystem: { read: ['.'] },
      environment: { set: { NO_UPDATE_NOTIFIER: '1', npm_config_cache: '/tmp/.npm' } },
      limits: { memory: '1GiB', scratch: '256MiB', cpu: 2 },
    },
  },
  build: {
    summary:
      'A build: writes the workspace but not its git and editor configuration, no network, generous limits.',
    document: {
      version: 1,
      name: 'build',
      level: 'moderate',
      filesystem: {
        read: ['.'],
        write: ['.'],
        // What does not exist yet can be protected in an overlay alone.
        workspace: 'overlay',
        apply: 'auto',
        protect: ['.git/config', '.git/hooks', '.git/commondir', '.vscode', '.idea'],
      },
      limits: {
        timeout: '1h',
        memory: '8GiB',
        processes: 4096,
        openFiles: 16384,
        fileSize: '16GiB',
        scratch: '4GiB',
        output: '16MiB',
      },
    },
  },
  readonly: {
    summary: 'Looking around: reads the workspace, changes nothing, no network.',
    document: {
      version: 1,
      name: 'readonly',
      level: 'moderate',
      filesystem: { read: ['.'], write: [], workspace: 'direct' },
    },
  },
};

export function isProfileName(name: string): name is ProfileName {
  return Object.hasOwn(profiles, name);
}
