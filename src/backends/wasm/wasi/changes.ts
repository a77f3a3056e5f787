import { CaissonError } from '../../../core/error.ts';
import { HostFault } from './host-fault.ts';
import { type DirectoryNode, FileNode, type Node } from './nodes.ts';

/** One thing that the guest left otherwise than it was handed in, by the path that the guest knows it by. */
export type WasiChange =
  | { readonly kind: 'removed'; readonly path: string }
  | { readonly kind: 'directory'; readonly path: string }
  | { readonly kind: 'symlink'; readonly path: string; readonly target: string }
  | {
      readonly kind: 'file';
      readonly path: string;
      /** Whether a file of that name had been handed in and was written to. */
      readonly existed: boolean;
      readonly size: number;
      /** The bytes; to be asked for after the guest has ended. CaissonError `FILE_FAILED` where a lazy file cannot be loaded. */
      readonly read: () => Uint8Array;
    }
  | {
      /** A further name of a file that stands earlier in the list, or that was handed in. */
      readonly kind: 'link';
      readonly path: string;
      readonly to: string;
    };

/**
 * What is to be done, in this order, to make of the trees as they were handed in the trees as they are now.
 * Paths begin with the preopen's own; one that lies below another preopen is told once.
 */
export function listChanges(
  preopens: readonly { readonly path: string; readonly node: DirectoryNode }[],
): WasiChange[] {
  const changes: WasiChange[] = [];
  const visited = new Set<DirectoryNode>();
  const fileNames = new Map<Node, string>();

  const tellNew = (path: string, node: Node): void => {
    if (node.kind === 'symlink') {
      changes.push({ kind: 'symlink', path, target: node.target });
    } else if (node.kind === 'directory') {
      visited.add(node);
      changes.push({ kind: 'directory', path });
      for (const entry of node.entries()) tellNew(`${path}/${entry.name}`, entry.node);
    } else {
      const to = fileNames.get(node);
      if (to === undefined) changes.push(fileChange(path, node, false));
      else changes.push({ kind: 'link', path, to });
      if (to === undefined) fileNames.set(node, path);
    }
  };

  const compare = (path: string, directory: DirectoryNode): void => {
    if (visited.has(directory)) return;
    visited.add(directory);
    for (const [name, given] of directory.givenNames) {
      if (directory.get(name)?.node !== given) {
        changes.push({ kind: 'removed', path: below(path, name) });
      }
    }
    const unchanged = (name: string, node: Node): boolean =>
      directory.givenNames.get(name) === node;
    for (const { name, node } of directory.entries()) {
      if (!unchanged(name, node) || !(node instanceof FileNode)) continue;
      fileNames.set(node, below(path, name));
      if (node.dirty) changes.push(fileChange(below(path, name), node, true));
    }
    for (const { name, node } of directory.entries()) {
      if (!unchanged(name, node)) tellNew(below(path, name), node);
      else if (node.kind === 'directory') compare(below(path, name), node);
    }
  };

  for (const { path, node } of preopens) compare(path, node);
  return changes;
}

function fileChange(path: string, node: FileNode, existed: boolean): WasiChange {
  const { content } = node;
  const read = () => {
    try {
      return content.whole();
    } catch (thrown) {
      throw new CaissonError('FILE_FAILED', {
        layer: 'backends',
        message: `what the guest left at ${path} cannot be loaded`,
        cause: thrown instanceof HostFault ? thrown.cause : thrown,
      });
    }
  };
  return { kind: 'file', path, existed, size: content.size, read };
}

function below(path: string, name: string): string {
  return path.endsWith('/') ? path + name : `${path}/${name}`;
}
