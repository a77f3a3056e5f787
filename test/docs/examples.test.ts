/**
 * Every example of README.md, docs/library.md and docs/network.md, run in order in an empty directory, one for each document.
 *
 *   ```console       each `$ ` line is typed into sh; the lines below it are what must appear (stdout and stderr)
 *   ```sh            run with `sh -eu`, must succeed
 *   ```ts            type-checked, then run under Node; a ```text block right below is what it must print
 *   ```yaml file=X   written to X
 *
 * `…` in an expected line stands for any text, a line of `…` alone for any lines.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { after, describe, test } from 'node:test';

const repository = resolve(import.meta.dirname, '../..');
const bin = join(repository, 'bin');
/** Inside the package, so that `caisson` is its own name (package.json "exports"). */
const programs = join(repository, 'build/docs');

interface Block {
  readonly language: string;
  readonly file: string | undefined;
  readonly line: number;
  readonly text: string;
  /** The ```text block right below. */
  readonly prints: string | undefined;
}

function blocksOf(document: string): Block[] {
  const source = readFileSync(join(repository, document), 'utf8');
  const found = [...source.matchAll(/^```(\w+)(?: file=(\S+))?\n(.*?)^```\n/gms)];
  return found.map((match, index) => {
    const next = found[index + 1];
    const end = match.index + match[0].length;
    const adjoins = next?.[1] === 'text' && source.slice(end, next.index).trim() === '';
    return {
      language: match[1] ?? '',
      file: match[2],
      line: source.slice(0, match.index).split('\n').length,
      text: match[3] ?? '',
      prints: adjoins ? (next?.[3] ?? '') : undefined,
    };
  });
}

/** A home and a directory to work in. */
class Desk {
  readonly root: string = realpathSync(mkdtempSync(join(tmpdir(), 'caisson-docs-')));
  readonly work: string = join(this.root, 'work');
  readonly #environment: NodeJS.ProcessEnv;

  constructor() {
    for (const name of ['work', 'home', 'runtime'])
      mkdirSync(join(this.root, name), { mode: 0o700 });
    const { NODE_OPTIONS, NODE_TEST_CONTEXT, ...inherited } = process.env;
    this.#environment = {
      ...inherited,
      PATH: [bin, process.env.PATH].join(delimiter),
      LC_ALL: 'C',
      NO_COLOR: '1',
      HOME: join(this.root, 'home'),
      XDG_RUNTIME_DIR: join(this.root, 'runtime'),
      XDG_CACHE_HOME: join(this.root, 'home/.cache'),
      XDG_STATE_HOME: join(this.root, 'home/.state'),
      NODE_COMPILE_CACHE: join(repository, 'build/compile-cache'),
    };
  }

  run(program: string, args: readonly string[]): { status: number | null; output: string } {
    // One pipe for both streams, so that they come in the order in which they were written.
    const { status, stdout } = spawnSync('sh', ['-c', 'exec "$@" 2>&1', 'sh', program, ...args], {
      cwd: this.work,
      encoding: 'utf8',
      env: this.#environment,
      timeout: 60_000,
    });
    return { status, output: stdout };
  }
}

function literal(text: string): string {
  return text.replaceAll(/[$()*+.?[\\\]^{|}]/g, '\\$&');
}

/** Whether the output is what the document shows. */
function matchShown(output: string, shown: string): void {
  const pattern = shown
    .trimEnd()
    .split('\n')
    .map((line) => (line === '…' ? '(?:.*\n)*?.*' : line.split('…').map(literal).join('.*')))
    .join('\n');
  if (!new RegExp(`^${pattern}$`).test(output.trimEnd()))
    assert.equal(output.trimEnd(), shown.trimEnd());
}

function runConsole(desk: Desk, text: string): void {
  const typed = text.split(/^\$ /m).filter((part) => part !== '');
  assert.ok(typed.length > 0 && text.startsWith('$ '), 'a console block begins with "$ "');
  for (const part of typed) {
    const [command = '', ...shown] = part.split('\n');
    matchShown(desk.run('sh', ['-c', command]).output, shown.join('\n'));
  }
}

function runShell(desk: Desk, text: string): void {
  const { status, output } = desk.run('sh', ['-euc', text]);
  assert.equal(status, 0, output);
}

function runProgram(desk: Desk, path: string, prints: string | undefined): void {
  const { status, output } = desk.run(process.execPath, [path]);
  assert.equal(status, 0, output);
  if (prints !== undefined) matchShown(output, prints);
}

function programPath(document: string, { line }: Block): string {
  return join(programs, `${document.replaceAll(/[/.]/g, '-').toLowerCase()}-${line}.ts`);
}

const documents = [
  'README.md',
  'docs/library.md',
  'docs/learn.md',
  'docs/audit.md',
  'docs/network.md',
  'docs/service.md',
  'docs/client.md',
  'docs/service-streams.md',
  'docs/srt-settings.md',
  'docs/access.md',
  'docs/deployment.md',
  'docs/manager.md',
  'docs/mcp.md',
  'docs/modules.md',
  'docs/admission.md',
  'docs/monitor.md',
  'docs/telemetry.md',
  'docs/violations.md',
  'docs/side-channels.md',
  'docs/signing.md',
  'docs/functions.md',
  'docs/threat/scanning.md',
  'docs/migrating-from-tool-runner.md',
  'docs/migrating-from-vm2.md',
].map((document) => ({
  document,
  blocks: blocksOf(document),
}));

rmSync(programs, { recursive: true, force: true });
mkdirSync(programs, { recursive: true });
for (const { document, blocks } of documents)
  for (const block of blocks)
    if (block.language === 'ts') writeFileSync(programPath(document, block), block.text);

test('the TypeScript examples are well typed', () => {
  const config = { extends: '../../tsconfig.json', include: ['*.ts'], exclude: [] };
  writeFileSync(join(programs, 'tsconfig.json'), JSON.stringify(config));
  const tsc = join(repository, 'node_modules/.bin/tsc');
  const { status, stdout } = spawnSync(tsc, ['-p', programs], { encoding: 'utf8' });
  assert.equal(status, 0, stdout);
});

const has = (program: string, ...args: string[]) => spawnSync(program, args).status === 0;
const ready = has(join(bin, 'caisson'), 'explain') && has('python3', '--version');
const skip = ready ? false : 'the examples need level strict and python3';

for (const { document, blocks } of documents) {
  describe(document, { skip }, () => {
    const desk = new Desk();
    after(() => rmSync(desk.root, { recursive: true, force: true }));
    for (const block of blocks) {
      const name = `line ${block.line}: ${block.text.split('\n', 1)[0]}`;
      if (block.file !== undefined) writeFileSync(join(desk.work, block.file), block.text);
      else if (block.language === 'console') test(name, () => runConsole(desk, block.text));
      else if (block.language === 'sh') test(name, () => runShell(desk, block.text));
      else if (block.language === 'ts')
        test(name, () => runProgram(desk, programPath(document, block), block.prints));
    }
  });
}
