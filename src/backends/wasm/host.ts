/** The program of a host process of WebAssembly: `host.ts MEMORY_BYTES PORT [TRANSPILER]`. */
import { serveHost } from '../host-serve.ts';
import { WasmEngine } from './wasm-engine.ts';

const [memoryBytes, port, transpiler] = process.argv.slice(2);
await serveHost(new WasmEngine(Number(memoryBytes), transpiler), Number(port));
process.exit(0);
