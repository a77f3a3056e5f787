import assert from 'node:assert/strict';
import { globSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { standsAlone } from '../scripts/test-lanes.ts';

const here = import.meta.dirname;

test('what attacks walls, is killed, or measures a machine has it for itself', () => {
  const files = ['escape', 'faults', 'host-v2', 'bench'].flatMap((folder) =>
    globSync(`${folder}/**/*.test.ts`, { cwd: here }),
  );
  assert.ok(files.length > 40);
  const beside = files.filter((file) => standsAlone(join(here, file)) === undefined);
  assert.deepEqual(beside, []);
});

test('what opens Caisson, or serves it, in its own process stands alone', () => {
  for (const file of ['e2e/library', 'server/files', 'client/both', 'conformance/conformance'])
    assert.match(standsAlone(join(here, `${file}.test.ts`)) ?? '', /^reaches src\/|has/, file);
});

test('what computes, or looks at what the CLI leaves in a place of its own, does not', () => {
  for (const file of ['policy/compare', 'admission/proof/mutation', 'cli/sign', 'docs/examples'])
    assert.equal(standsAlone(join(here, `${file}.test.ts`)), undefined, file);
});

test('it is told through imports and through programs that are started; types do not count', () => {
  mkdirSync(join(here, '../build'), { recursive: true });
  const directory = mkdtempSync(join(here, '../build/lanes-'));
  const file = (name: string, text: string): string => {
    writeFileSync(join(directory, name), text);
    return join(directory, name);
  };
  try {
    file('child.ts', "import '../../src/launcher/client.ts';\n");
    file('looks.ts', "readdirSync('/proc');\n");
    file('circle.ts', "import './circle.ts';\nimport './looks.ts';\n");
    const cases = {
      "import type { Caisson } from '../../src/index.ts';\n": undefined,
      "import {\n  Caisson,\n} from '../../src/index.ts';\n": 'reaches src/index.ts',
      "import './circle.ts';\n": 'looks.ts has readdirSync',
      "fork(join(import.meta.dirname, 'child.ts'));\n": 'reaches src/launcher/client.ts',
      "spawn('src/standalone.ts');\n": 'reaches src/standalone.ts',
      "spawnSync('pgrep', ['-f', mark]);\n": 'has pgrep',
      "spawn('bin/caisson', ['run']);\n": 'has bin/caisson',
    };
    for (const [text, why] of Object.entries(cases)) {
      const told = standsAlone(file('one.ts', text));
      assert.ok(why === undefined ? told === undefined : told?.includes(why), `${text}: ${told}`);
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
});
