/**
 * Compares what the front end of Python makes of files with Python's own `ast`: dotted names that are called, modules
 * that are imported, functions and classes that are defined, texts. Prints what differs; fails where something does.
 *
 *   node scripts/compare-python-trees.ts FILE …      default: every seventh file of the standard library
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { argv } from 'node:process';
import { lower, open } from '../src/admission/threat/python/front-end.ts';
import type { Expression } from '../src/admission/threat/tree.ts';

/** Everything of a tree that is a node, in any order. */
function* nodesIn(value: unknown): Generator<Record<string, unknown>> {
  const open_: unknown[] = [value];
  while (open_.length > 0) {
    const one = open_.pop();
    if (typeof one !== 'object' || one === null) continue;
    if (!Array.isArray(one) && 'kind' in one) yield one as Record<string, unknown>;
    open_.push(...Object.values(one));
  }
}

function dotted(node: Expression): string | undefined {
  if (node.kind === 'name') return node.name === 'this' ? undefined : node.name;
  if (node.kind !== 'member' || node.key.kind !== 'constant') return undefined;
  const object = dotted(node.object);
  const { value } = node.key;
  return object === undefined || typeof value !== 'string' || value.startsWith('%')
    ? undefined
    : `${object}.${value}`;
}

interface PythonFacts {
  readonly calls: string[];
  readonly imports: string[];
  readonly functions: number;
  readonly texts: string[];
}

function factsOf(source: string): PythonFacts {
  const calls = new Set<string>();
  const imports = new Set<string>();
  const texts = new Set<string>();
  let functions = 0;
  for (const node of nodesIn(lower(source).body)) {
    if (node.kind === 'call') {
      const name = dotted(node.callee as Expression);
      if (name !== undefined) calls.add(name);
    } else if (node.kind === 'import') imports.add(String(node.module));
    else if (node.kind === 'function' && node.name !== undefined) functions++;
    else if (node.kind === 'constant' && typeof node.value === 'string') texts.add(node.value);
  }
  return { calls: [...calls], imports: [...imports], functions, texts: [...texts] };
}

const REFERENCE = `
import ast, json, sys, warnings
warnings.simplefilter('ignore')
def dotted(n):
    if isinstance(n, ast.Name): return n.id
    if isinstance(n, ast.Attribute):
        d = dotted(n.value)
        return d and d + '.' + n.attr
    if isinstance(n, ast.Subscript) and isinstance(n.slice, ast.Constant) and isinstance(n.slice.value, str):
        d = dotted(n.value)
        return d and d + '.' + n.slice.value
for line in sys.stdin:
    path = line.rstrip('\\n')
    try:
        source = open(path, 'rb').read().decode('utf-8')
        # Names of letters are left as they stand.
        if '\\\\N{' in source: raise ValueError
        tree = ast.parse(source)
    except Exception:
        print('null', flush=True)
        continue
    calls, imports, texts, functions = set(), set(), set(), 0
    silent = set()
    for n in ast.walk(tree):
        if isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant): silent.add(id(n.value))
        for a in ('annotation', 'returns'):
            if getattr(n, a, None) is not None:
                for m in ast.walk(getattr(n, a)): silent.add(id(m))
        if isinstance(n, (ast.JoinedStr,)):
            for m in ast.walk(n):
                if isinstance(m, ast.Constant): silent.add(id(m))
        if isinstance(n, ast.match_case):
            for m in ast.walk(n.pattern): silent.add(id(m))
        if isinstance(n, ast.ExceptHandler) and n.type is not None:
            for m in ast.walk(n.type): silent.add(id(m))
    for n in ast.walk(tree):
        if isinstance(n, ast.Call) and id(n) not in silent:
            d = dotted(n.func)
            if d: calls.add(d)
        elif isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            if not isinstance(n, ast.ClassDef): functions += 1
            calls.update(d for d in map(dotted, n.decorator_list) if d and d not in ('staticmethod', 'classmethod', 'property'))
        elif isinstance(n, ast.Import): imports.update(a.name for a in n.names)
        elif isinstance(n, ast.ImportFrom): 
            if n.module != '__future__': imports.add('.' * n.level + (n.module or ''))
        elif isinstance(n, ast.Constant) and id(n) not in silent:
            if isinstance(n.value, str): texts.add(n.value)
            elif isinstance(n.value, bytes): texts.add(n.value.decode('latin-1'))
    print(json.dumps({'calls': sorted(calls), 'imports': sorted(imports), 'functions': functions, 'texts': sorted(texts)}), flush=True)
`;

function* pythonFiles(folder: string): Generator<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* pythonFiles(path);
    else if (entry.name.endsWith('.py')) yield path;
  }
}

function standardLibrary(): string[] {
  const { stdout } = spawnSync(
    'python3',
    ['-c', 'import os; print(os.path.dirname(os.__file__))'],
    {
      encoding: 'utf8',
    },
  );
  return [...pythonFiles(stdout.trim())].filter((_, index) => index % 7 === 0);
}

await open();
const files = argv.length > 2 ? argv.slice(2) : standardLibrary();
const { stdout } = spawnSync('python3', ['-c', REFERENCE], {
  encoding: 'utf8',
  input: `${files.join('\n')}\n`,
  maxBuffer: 2 ** 30,
  // Or Python writes lone surrogates that JSON takes apart.
  env: { ...process.env, PYTHONIOENCODING: 'utf-8' },
});
const references = stdout.split('\n');
let compared = 0;
let different = 0;
for (const [index, file] of files.entries()) {
  const reference: PythonFacts | null = JSON.parse(references[index] || 'null');
  if (reference === null) continue;
  compared++;
  const own = factsOf(readFileSync(file, 'utf8'));
  const misses = (kind: 'calls' | 'imports' | 'texts'): string[] => {
    const known = new Set(own[kind]);
    return reference[kind]
      .filter((one) => !known.has(one))
      .map((one) => `${kind}: ${one.slice(0, 60)}`);
  };
  const plain = ['staticmethod', 'classmethod', 'property'];
  const extra = own.calls
    .filter((one) => !plain.includes(one) && !reference.calls.includes(one))
    .map((one) => `extra: ${one}`);
  const found = [...misses('calls'), ...misses('imports'), ...misses('texts'), ...extra];
  if (own.functions !== reference.functions)
    found.push(`functions: ${own.functions} of ${reference.functions}`);
  if (found.length === 0) continue;
  different++;
  console.log(
    `${file}\n  ${found
      .slice(0, 6)
      .map((one) => JSON.stringify(one))
      .join('\n  ')}`,
  );
}
console.log(`${compared} files compared, ${different} differ`);
process.exitCode = different === 0 ? 0 : 1;
