/**
 * Every tool, in the order in which a model reads them.
 */
import type { McpSetup } from './mcp-setup.ts';
import type { Tool } from './tool.ts';
import { applyChanges } from './tools/apply-changes.ts';
import { closeSandbox } from './tools/close-sandbox.ts';
import { explainPolicy } from './tools/explain-policy.ts';
import { listFiles } from './tools/list-files.ts';
import { listSandboxes } from './tools/list-sandboxes.ts';
import { openSandbox } from './tools/open-sandbox.ts';
import { readFile } from './tools/read-file.ts';
import { requestNetwork } from './tools/request-network.ts';
import { runCode } from './tools/run-code.ts';
import { runCommand } from './tools/run-command.ts';
import { runWasm } from './tools/run-wasm.ts';
import { showChanges } from './tools/show-changes.ts';
import { writeFile } from './tools/write-file.ts';

const all: readonly Tool[] = [
  runCommand,
  runCode,
  runWasm,
  openSandbox,
  listSandboxes,
  closeSandbox,
  readFile,
  writeFile,
  listFiles,
  showChanges,
  applyChanges,
  requestNetwork,
  explainPolicy,
];

/** Those that this server has. */
export function toolsOf(setup: McpSetup): readonly Tool[] {
  return all.filter(({ isOffered }) => isOffered?.(setup) ?? true);
}
