/** The program of an isolate's host process: `host.ts MEMORY_BYTES PORT ISOLATED_VM HELD_BYTES`. */
import { createRequire } from 'node:module';
import { OUT_OF_MEMORY_EXIT } from '../host-messages.ts';
import { serveHost } from '../host-serve.ts';
import { OwnMemory } from '../own-memory.ts';
import { IsolateEngine } from './engine.ts';

const [memoryBytes, port, module = '', heldBytes] = process.argv.slice(2);
const engine = new IsolateEngine({
  ivm: createRequire(import.meta.url)(module),
  memoryBytes: Number(memoryBytes),
  // What V8 does not give back after some thousand guests is half as much again; with more than that another host is better.
  memory: new OwnMemory(Number(heldBytes), 1.5 * Number(heldBytes)),
  // V8 cannot go on, and would end the process with a report of itself.
  onCatastrophe: () => process.exit(OUT_OF_MEMORY_EXIT),
});

await serveHost(engine, Number(port));
process.exit(0);
