import type { DirectoryNode } from '../../wasi/nodes.ts';
import { HostResource, type HostState } from './host-state.ts';
import { typeOf } from './node-facts.ts';

export class DirectoryEntryStream extends HostResource {
  readonly #directory: DirectoryNode;
  #last = 0;

  constructor(state: HostState, directory: DirectoryNode) {
    super(state);
    this.#directory = directory;
  }

  readDirectoryEntry(): { type: string; name: string } | undefined {
    for (const { name, node, cookie } of this.#directory.after(this.#last)) {
      this.#last = cookie;
      return { type: typeOf(node), name };
    }
    return undefined;
  }
}
