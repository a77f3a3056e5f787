/** The tool run_wasm: a function, a module that was made in a sandbox, one that does not end, and what is none. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { makePlace, type Place } from '../cli/caisson.ts';
import { type McpClient, startMcp } from './mcp-client.ts';

const HEAD = [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
/** (func (export "add") (param i32 i32) (result i32)), which adds. */
const add = Buffer.from([
  ...HEAD,
  ...[0x01, 0x07, 0x01, 0x60, 0x02, 0x7f, 0x7f, 0x01, 0x7f],
  ...[0x03, 0x02, 0x01, 0x00],
  ...[0x07, 0x07, 0x01, 0x03, 0x61, 0x64, 0x64, 0x00, 0x00],
  ...[0x0a, 0x09, 0x01, 0x07, 0x00, 0x20, 0x00, 0x20, 0x01, 0x6a, 0x0b],
]);
/** (func (export "spin") (loop (br 0))). */
const spin = Buffer.from([
  ...HEAD,
  ...[0x01, 0x04, 0x01, 0x60, 0x00, 0x00],
  ...[0x03, 0x02, 0x01, 0x00],
  ...[0x07, 0x08, 0x01, 0x04, ...Buffer.from('spin'), 0x00, 0x00],
  ...[0x0a, 0x09, 0x01, 0x07, 0x00, 0x03, 0x40, 0x0c, 0x00, 0x0b, 0x0b],
]);

describe('run_wasm', () => {
  let place: Place;
  let mcp: McpClient;
  before(async () => {
    place = makePlace();
    mcp = await startMcp({ cwd: place.work, environment: place.environment });
  });
  after(async () => {
    await mcp[Symbol.asyncDispose]();
    place[Symbol.dispose]();
  });

  test('calls an export with numbers', async () => {
    const module = add.toString('base64');
    const { structured, text } = await mcp.call('run_wasm', {
      module,
      export: 'add',
      arguments: [40, 2],
    });
    assert.deepEqual([structured.outcome, structured.value], ['exited', '42'], text);
  });

  test('takes what was made in an open sandbox, by its path there', async () => {
    const sandbox = await mcp.open();
    const content = add.toString('base64');
    await mcp.call('write_file', { sandbox, path: 'add.wasm', content, encoding: 'base64' });
    const { structured, text } = await mcp.call('run_wasm', {
      sandbox,
      path: 'add.wasm',
      export: 'add',
      arguments: [1, 2],
    });
    assert.equal(structured.value, '3', text);
    // A link that the guest made leads nowhere but inside.
    await mcp.call('run_command', { sandbox, argv: ['ln', '-s', '/etc/hostname', 'leak.wasm'] });
    const leak = await mcp.call('run_wasm', { sandbox, path: 'leak.wasm', export: 'add' });
    assert.equal(leak.isError, true);
  });

  test('ends what does not end', async () => {
    const { structured } = await mcp.call('run_wasm', {
      module: spin.toString('base64'),
      export: 'spin',
      timeout_ms: 300,
    });
    assert.equal(structured.outcome, 'timed-out');
  });

  test('refuses what is none, by name', async () => {
    const module = add.toString('base64');
    const bad: [Record<string, unknown>, RegExp][] = [
      [{}, /there is no one module/],
      [{ module, path: 'x' }, /there is no one module/],
      [{ module: '!!!!' }, /no base64/],
      [{ module: Buffer.from('no module').toString('base64'), export: 'add' }, /./],
      [{ module, export: 'none' }, /none/],
      [{ module, export: 'add', words: ['x'] }, /neither words nor stdin/],
      [{ module, arguments: [1] }, /no arguments/],
      [{ sandbox: 'sandbox-99', path: 'x' }, /no sandbox/],
    ];
    for (const [args, message] of bad) {
      const { isError, text, structured } = await mcp.call('run_wasm', args);
      assert.ok(isError || structured.exit_code !== 0, JSON.stringify(args));
      assert.match(text, message);
    }
  });
});
