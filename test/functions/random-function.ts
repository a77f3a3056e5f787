/**
 * Functions at random whose every line is executed, and that try each name where it stands: `probe(() => name)` says
 * what it came to. The names that nothing binds are exactly those for which that is "name is not defined".
 */
import fc from 'fast-check';

/** Names that are bound here and there, and used everywhere. */
export const NAMES = ['a', 'b', 'c', 'd', 'e'] as const;

const name = fc.constantFrom(...NAMES);
/** Bound by an arrow alone, and never declared. */
const used = fc.oneof(
  { weight: 9, arbitrary: name },
  { weight: 1, arbitrary: fc.constant('arguments') },
);

const use = used.map((x) => `probe(() => ${x});`);
const useTypeof = name.map((x) => `probe(() => typeof ${x});`);
const useShorthand = name.map((x) => `probe(() => ({ ${x} }));`);
const useDeep = fc
  .tuple(name, name)
  .map(([x, y]) => `probe(() => \`\${{ ${x}: 1, ["k"]: probe(() => ${y}) }.${x}}\`);`);
/** A function stays what it is: it is to be called later. */
const kept = (x: string) => `typeof ${x} === "function" ? ${x} : 1`;
const assign = name.map((x) => `probe(() => { ${x} = ${kept(x)}; });`);
const assignPattern = fc
  .tuple(name, name)
  .map(([x, y]) => `probe(() => { ({ ${x}: [${y}] } = { ${x}: [${kept(y)}] }); });`);
const tagged = name.map((x) => `probe(() => ${x}.t\`\${1}\`);`);

/** A binding pattern of one name; its default tries another. Whatever it is given, it takes. */
const pattern = fc.oneof(
  name.map((x) => ({ text: x, value: '1' })),
  fc.tuple(name, used).map(([x, y]) => ({ text: `{ ${x} = probe(() => ${y}) }`, value: '{}' })),
  fc.tuple(name, name).map(([x, y]) => ({ text: `{ ${y}: ${x} }`, value: '{}' })),
  fc.tuple(name, used).map(([x, y]) => ({
    text: `{ [(probe(() => ${y}), "k")]: ${x} }`,
    value: '{}',
  })),
  name.map((x) => ({ text: `[, ...${x}]`, value: '[]' })),
  name.map((x) => ({ text: `{ ...${x} }`, value: '{}' })),
);

interface Statements {
  statement: string;
  body: string;
  expression: string;
}

/** A declaration, told by its name. */
const DECLARED = /^function (\w+)\(/;

/** Functions are called where their block begins: later their name may be something else. */
function block(statements: readonly string[]): string {
  const names = new Set<string>();
  const kept = statements.filter((text) => {
    const own = DECLARED.exec(text)?.[1];
    // Of two functions of one name the first would never be called.
    if (own === undefined || names.has(own)) return own === undefined;
    names.add(own);
    return true;
  });
  return [...[...names].map((own) => `run(() => ${own}());`), ...kept].join(' ');
}

const { body, expression } = fc.letrec<Statements>((tie) => {
  const inner = tie('body');
  const declare = fc
    .tuple(fc.constantFrom('var', 'let', 'const'), pattern)
    .map(([kind, { text, value }]) => `${kind} ${text} = ${value};`);
  const statement = fc.oneof(
    { depthSize: 'small' },
    use,
    useTypeof,
    useShorthand,
    useDeep,
    assign,
    assignPattern,
    tagged,
    declare,
    inner.map((text) => `{ ${text} }`),
    inner.map((text) => `if (true) { ${text} }`),
    inner.map((text) => `do { ${text} } while (false);`),
    fc.tuple(name, inner).map(([x, text]) => `${x}: { ${text} break ${x}; }`),
    fc
      .tuple(fc.constantFrom('let', 'const', 'var'), pattern, inner)
      .map(([kind, { text, value }, rest]) => `for (${kind} ${text} of [${value}]) { ${rest} }`),
    fc
      .tuple(fc.constantFrom('let', 'var'), name, name, inner)
      .map(
        ([kind, x, y, text]) =>
          `for (${kind} ${x} = probe(() => ${y}), $ = 0; $ < 1; $++) { ${text} }`,
      ),
    fc
      .tuple(name, name, inner)
      .map(([x, y, text]) => `for (const ${x} in { k: probe(() => ${y}) }) { ${text} }`),
    fc
      .tuple(pattern, inner, inner)
      .map(([{ text, value }, a, b]) => `try { ${a} throw ${value}; } catch (${text}) { ${b} }`),
    fc.tuple(inner, inner).map(([a, b]) => `try { ${a} } catch { } finally { ${b} }`),
    fc
      .tuple(name, inner, inner)
      .map(([x, a, b]) => `switch (probe(() => ${x}), 1) { case 1: ${a} default: ${b} }`),
    fc.tuple(name, inner).map(([x, text]) => `function ${x}() { ${text} }`),
    fc
      .tuple(name, tie('expression'))
      .map(([x, text]) => `class ${x} extends (${text}, Object) {} `),
    tie('expression').map((text) => `(${text});`),
  );
  return {
    statement,
    body: fc.array(statement, { maxLength: 4, depthIdentifier: 'body' }).map(block),
    expression: fc.oneof(
      { depthSize: 'small' },
      used.map((x) => `probe(() => ${x})`),
      fc
        .tuple(pattern, inner)
        .map(([{ text, value }, rest]) => `run(() => ((${text}) => { ${rest} })(${value}))`),
      fc
        .tuple(pattern, name)
        .map(([{ text, value }, x]) => `run(() => ((${text}) => probe(() => ${x}))(${value}))`),
      fc
        .tuple(name, pattern, name, inner)
        .map(
          ([own, { text, value }, x, rest]) =>
            `run(() => (function ${own}(${text}, $ = probe(() => ${x})) { ${rest} })(${value}))`,
        ),
      fc.tuple(name, inner).map(([x, rest]) => `run(() => [...(function* ${x}() { ${rest} })()])`),
      inner.map((rest) => `run(() => ({ a() { super.toString; ${rest} } }).a())`),
      inner.map((rest) => `run(() => ({ get b() { ${rest} } }).b)`),
      inner.map((rest) => `run(() => { (async () => { ${rest} })().catch(() => {}); })`),
      fc
        .tuple(name, name, name, inner, inner)
        .map(
          ([own, x, y, a, b]) =>
            `run(() => new (class ${own} { static { ${a} } [(probe(() => ${x}), "k")]() { } a = probe(() => ${y}); constructor() { ${b} } })())`,
        ),
    ),
  };
});

/** Its text; it takes nothing, or a value for each of its parameters. */
export const functionText: fc.Arbitrary<string> = fc.oneof(
  body.map((text) => `() => { ${text} }`),
  expression.map((text) => `() => ${text}`),
  fc
    .tuple(name, pattern, used, body)
    .map(
      ([own, parameter, x, text]) =>
        `function ${own}(${parameter.text} = ${parameter.value}, $ = probe(() => ${x})) { ${text} }`,
    ),
  body.map((text) => `async function () { ${text} }`),
);
