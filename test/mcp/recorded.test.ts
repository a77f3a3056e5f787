/** An agent is told of nothing that the audit log does not have yet. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { InMemoryTransport } from '@modelcontextprotocol/sdk/inMemory.js';
import { mcpServerOf } from '../../src/mcp/mcp-server.ts';
import { McpSession } from '../../src/mcp/mcp-session.ts';
import { DEFAULT_LIMITS, type McpSetup } from '../../src/mcp/mcp-setup.ts';
import { NetworkRuleBook } from '../../src/mcp/network-rule-book.ts';

for (const [name, tool] of [
  ['an answer', 'list_sandboxes'],
  ['a refusal', 'no such sandbox'],
] as const) {
  test(`${name} waits for the record of what it tells`, async () => {
    const gate = Promise.withResolvers<void>();
    const recorder = { observer: () => {}, ready: () => undefined, written: () => gate.promise };
    // Neither tool asks for more of it.
    const setup = {
      version: '0',
      network: { person: false, rules: new NetworkRuleBook() },
      places: { workspace: undefined },
      limits: DEFAULT_LIMITS,
      recorder,
    } as unknown as McpSetup;
    const session = new McpSession(setup, 'test');
    const server = mcpServerOf(session);
    const [ours, theirs] = InMemoryTransport.createLinkedPair();
    const client = new Client({ name: 'test', version: '0' });
    await Promise.all([server.connect(theirs), client.connect(ours)]);
    let isTold = false;
    const asked =
      tool === 'list_sandboxes'
        ? { name: tool, arguments: {} }
        : { name: 'close_sandbox', arguments: { sandbox: tool } };
    const answer = client.callTool(asked).then(({ isError }) => {
      isTold = true;
      return isError === true;
    });
    await sleep(100);
    assert.equal(isTold, false);
    gate.resolve();
    assert.equal(await answer, tool !== 'list_sandboxes');
    await session.close();
    await client.close();
  });
}
