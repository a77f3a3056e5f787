/** The program of an isolate's host process: `host.ts MEMORY_BYTES PORT ISOLATED_VM`. */
import { createRequire } from 'node:module';
import { OUT_OF_MEMORY_EXIT } from '../host-messages.ts';
import { serveHost } from '../host-serve.ts';
import { IsolateEngine } from './engine.ts';

const [memoryBytes, port, module = ''] = process.argv.slice(2);
const engine = new IsolateEngine({
  ivm: createRequire(import.meta.url)(module),
  memoryBytes: Number(memoryBytes),
  // V8 cannot go on, and would end the process with a report of itself.
  onCatastrophe: () => process.exit(OUT_OF_MEMORY_EXIT),
});

await serveHost(engine, Number(port));
process.exit(0);
