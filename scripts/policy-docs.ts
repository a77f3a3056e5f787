/**
 * Writes docs/policy.md from the schema, the levels and the profiles.
 *
 *   node scripts/policy-docs.ts
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatBytes, formatDuration } from '../src/core/units.ts';
import { policyJsonSchema } from '../src/policy/document.ts';
import { LEVEL_NAMES, levels } from '../src/policy/levels.ts';
import { LIMIT_ROWS } from '../src/policy/limits.ts';
import { profiles } from '../src/policy/profiles.ts';

interface Schema {
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly enum?: readonly string[];
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
}

/** The whole of docs/policy.md. */
export function policyDocs(): string {
  const fields = policyJsonSchema() as Schema;
  return `<!-- Written by scripts/policy-docs.ts from the schema: change that, then run it. -->
# Policies

A policy is a YAML or JSON file, or is built in TypeScript with \`definePolicy\`. Nothing in it is
required: what it leaves out, the level says; without a level it is \`strict\`. A file that is there
but invalid is an error, with the line of every problem; nothing runs.

## Fields

${table(['field', 'value', 'what it says'], rows(fields, ''))}

## How it is read

- **Paths** stand for everything below them. \`/abs\`, \`src\` (below the workspace), \`.\` (the
  workspace), \`~/x\` (below your home). \`!path\` carves out, and the longest match decides; for one
  path both named and carved out, the carve-out wins. \`..\`, wildcards and double slashes are errors.
- **Destinations** are \`host[:ports][/udp]\`: \`pypi.org\` (port 443), \`*.example.org:80,443\` (proper
  sub-domains), \`10.0.0.0/8:8000-8999\`, \`[fd00::]/8:53/udp\`, \`*:*\` (any name). \`deny\` wins over
  \`allow\`. An allowed block holds for connections to the address itself, an allowed name for that
  name; a denied block holds for both. \`{host: "api.example.org", http: ["GET /repos/**", "POST
  /graphql"]}\` allows some requests alone: a path is that path, \`/**\` at its end all below it, too;
  case counts, the query does not. [network.md](network.md) says what holds how.
- **Names** of the environment: \`LC_*\` is a prefix, \`*\` all, \`!NAME\` carves out.
- **Sizes**: \`512MiB\`, \`1.5GB\`, bytes. \`KB\`, \`MB\`, \`GB\` are powers of 1000, \`KiB\` … and a bare
  \`K\`, \`M\`, \`G\` of 1024. **Durations**: \`500ms\`, \`30s\`, \`1h30m\`, seconds.
- **A key that is there replaces the level's value**: \`write: []\` at the level \`moderate\` makes the
  workspace read-only. With \`extends\`, lists are joined and single values replaced; a carve-out of
  a base stays.
- At most 256 KiB and 256 entries a list; no aliases, anchors, tags, merge keys or duplicate keys.

## Levels

${table(['', ...LEVEL_NAMES], levelRows())}

A limit in *italics* cannot be lifted at that level.

## Profiles

${table(
  ['profile', 'level', 'for'],
  Object.entries(profiles).map(([name, { summary, document }]) => [
    `\`${name}\``,
    `\`${document.level}\``,
    summary,
  ]),
)}

## Comparing

\`caisson policy diff a.yaml b.yaml\` lists what each allows and the other does not. Paths,
destinations with their requests, names, capabilities and limits are compared exactly. A secret is
compared by name and host; groups by name. \`intercept\` is a difference that allows neither more
nor less: it says how rules are checked. System calls are compared by
preset and by name: a call that one policy names is counted as more even where the other's preset
may hold it, so that "allows no more" is never said wrongly.
`;
}

function rows(schema: Schema, prefix: string): string[][] {
  return Object.entries(schema.properties ?? {}).flatMap(([key, field]) =>
    field.properties
      ? [
          [`**\`${prefix}${key}\`**`, '', field.description ?? ''],
          ...rows(field, `${prefix}${key}.`),
        ]
      : [[`\`${prefix}${key}\``, kindOf(field), field.description ?? '']],
  );
}

function kindOf(field: Schema): string {
  if (field.enum) return field.enum.map((value) => `\`${value}\``).join(', ');
  if (field.const !== undefined) return `\`${field.const}\``;
  if (field.anyOf) return [...new Set(field.anyOf.map(kindOf))].join(', ');
  if (field.type === 'array') return `list of ${kindOf(field.items ?? {})}`;
  const types = [field.type ?? []].flat();
  return types
    .map((type) => (type === 'object' ? 'names and values' : type === 'null' ? '`null`' : type))
    .join(', ');
}

function levelRows(): string[][] {
  const row = (what: string, tell: (level: (typeof LEVEL_NAMES)[number]) => string) => [
    what,
    ...LEVEL_NAMES.map(tell),
  ];
  const listed = (values: readonly string[]) =>
    values.length === 0 ? '–' : values.map((value) => `\`${value}\``).join(', ');
  const view = { host: 'host', system: 'system directories', named: 'named paths only' };
  return [
    row('walls', (level) => listed(levels[level].walls)),
    row('sees', (level) => view[levels[level].view]),
    row('`read`', (level) => listed(levels[level].document.filesystem.read)),
    row('`write`', (level) => listed(levels[level].document.filesystem.write)),
    row('`scratch`', (level) => listed(levels[level].document.filesystem.scratch)),
    row('network', (level) => levels[level].document.network),
    row('environment', (level) => listed(levels[level].document.pass)),
    row('capabilities', (level) => levels[level].document.capabilities),
    row('system calls', (level) => levels[level].document.syscalls),
    ...LIMIT_ROWS.map(({ name, key }) =>
      row(`\`${key}\``, (level) => {
        const value = levels[level].limits[name];
        const text = value === null ? '–' : tellLimit(name, value);
        return levels[level].mustLimit.includes(name) ? `*${text}*` : text;
      }),
    ),
  ];
}

function tellLimit(name: string, value: number): string {
  if (name.endsWith('Ms')) return formatDuration(value);
  if (name.includes('Bytes')) return value === 0 ? '0' : formatBytes(value);
  return name === 'cpuMillicores' ? String(value / 1000) : String(value);
}

function table(head: readonly string[], body: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...body.map(line)].join('\n');
}

if (import.meta.main) {
  writeFileSync(join(import.meta.dirname, '../docs/policy.md'), policyDocs());
}
