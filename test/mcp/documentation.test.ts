/** docs/mcp.md: its configurations parse, start a server that answers, and its table lists the tools that there are. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { makePlace } from '../cli/caisson.ts';
import { startMcp } from './mcp-client.ts';

const page = readFileSync(join(resolve(import.meta.dirname, '../..'), 'docs/mcp.md'), 'utf8');
const blocks = (language: string) =>
  [...page.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'))].map(
    ([, text]) => text ?? '',
  );

interface Entry {
  readonly command?: string;
  readonly args?: readonly string[];
  readonly url?: string;
}

const entries: Entry[] = [
  ...blocks('json').flatMap((text) => {
    const document = JSON.parse(text) as Record<string, Record<string, Entry>>;
    const [name = ''] = Object.keys(document);
    assert.ok(['mcpServers', 'servers', 'context_servers'].includes(name), name);
    return Object.values(document[name] ?? {});
  }),
  ...blocks('toml').map((text) => ({
    command: /^command = "(.*)"$/m.exec(text)?.[1] ?? '',
    // A list of strings is the same in TOML and JSON.
    args: JSON.parse(/^args = (\[.*\])$/m.exec(text)?.[1] ?? '[]') as string[],
  })),
  ...[...page.matchAll(/^claude mcp add .* -- (caisson .*)$/gm)].map(([, line = '']) => {
    const [command = '', ...args] = line.split(' ');
    return { command, args };
  }),
];

test('there is an entry for every agent', () => {
  assert.equal(entries.length, 9);
});

for (const [at, { command, args = [] }] of entries.entries()) {
  // One is reached over HTTP, which http.test.ts does.
  if (command === undefined) continue;
  test(`entry ${at}: ${command} ${args.join(' ')}`, async () => {
    const own = command === 'ssh' ? args.slice(args.indexOf('caisson')) : [command, ...args];
    assert.deepEqual(own.slice(0, 2), ['caisson', 'mcp']);
    using place = makePlace();
    const rest = own
      .slice(2)
      .map((word) => word.replace(/^(?:\/home\/me\/project|\$\{.*\})$/, place.work));
    await using mcp = await startMcp({ args: rest, cwd: '/', environment: place.environment });
    const { structured } = await mcp.call('run_command', { argv: ['pwd'] });
    assert.equal(structured.stdout.text, `${place.work}\n`);
    const { structured: explained } = await mcp.call('explain_policy');
    const asks = rest.includes('--ask') || rest.includes('--allow-ask');
    assert.equal(explained.can_request_network, asks);
  });
}

test('its table lists the tools that there are', async () => {
  using place = makePlace();
  const { environment, work } = place;
  await using mcp = await startMcp({ args: ['--allow-apply'], cwd: work, environment });
  const { tools } = await mcp.client.listTools();
  const [, table = ''] = /^## Tools\n(.*?)^##/ms.exec(page) ?? [];
  const listed = [...table.matchAll(/^\| `(\w+)` \|/gm)].map(([, name]) => name);
  assert.deepEqual(
    listed,
    tools.map(({ name }) => name),
  );
});
