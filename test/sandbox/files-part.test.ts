/** Parts of files: where they begin and end, and that no part shows a secret that the whole would not. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FilesReply, FilesRequest, OpenSandbox } from '../../src/backends/backend.ts';
import { SandboxFiles } from '../../src/sandbox/files.ts';
import { Redactor } from '../../src/sandbox/redact.ts';

const CHUNK = 512 * 1024;

/** Answers as the agent inside does, and counts what it is asked for. */
function sandboxWith(content: Buffer): { open: OpenSandbox; asked: FilesRequest[] } {
  const asked: FilesRequest[] = [];
  const files = async (request: FilesRequest): Promise<FilesReply> => {
    asked.push(request);
    const { offset = 0, length = 0 } = request;
    const data = content.subarray(offset, offset + length);
    return {
      errno: 0,
      data,
      entries: [],
      more: false,
      size: content.length,
    } as unknown as FilesReply;
  };
  return { open: { files } as unknown as OpenSandbox, asked };
}

test('a part is what it would be of the whole, and no more is read for it', async () => {
  const content = Buffer.from(Array.from({ length: 3 * CHUNK }, (_, at) => at % 251));
  const { open, asked } = sandboxWith(content);
  const files = new SandboxFiles(open, '/');
  const parts = [
    [0, 10],
    [CHUNK - 5, 10],
    [2 * CHUNK, CHUNK + 100],
    [3 * CHUNK, 10],
    [9 * CHUNK, 10],
    [7, 0],
  ] as const;
  for (const [offset, length] of parts) {
    const part = await files.readPart('/f', offset, length);
    assert.ok(part.equals(content.subarray(offset, offset + length)), `${offset} ${length}`);
  }
  const read = asked.map(({ length = 0 }) => length);
  assert.ok(Math.max(...read) <= CHUNK);
  asked.length = 0;
  await files.readPart('/f', 5, 10);
  assert.deepEqual(
    asked.map(({ offset, length }) => [offset, length]),
    [[5, 10]],
  );
});

test('a part that begins within a secret does not show the rest of it', async () => {
  const secret = 'a-value-that-nobody-is-to-see';
  const content = Buffer.from(`before ${secret} after ${'x'.repeat(2 * CHUNK)} ${secret} end`);
  const redactor = new Redactor([{ name: 'TOKEN', value: secret }]);
  const files = new SandboxFiles(sandboxWith(content).open, '/', redactor);
  const whole = (await files.read('/f')).toString();
  assert.ok(whole.startsWith('before [secret TOKEN] after x'));
  for (const offset of [0, 3, 7, 12, 20, 2 * CHUNK + 10, whole.length - 30]) {
    const part = (await files.readPart('/f', offset, 40)).toString();
    assert.equal(part, whole.slice(offset, offset + 40), `${offset}`);
  }
  redactor.close();
  await assert.rejects(files.readPart('/f', 0, 10), { code: 'SANDBOX_CLOSED' });
});
