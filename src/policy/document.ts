/**
 * What a person writes. The only source of the type, the checks of single values, the JSON Schema
 * for editors, and the tables of docs/policy.md.
 *
 * Every field is optional: what is not said, the level says (`levels.ts`).
 */
import { z } from 'zod';
import {
  parseByteRate,
  parseBytes,
  parseCoreBytes,
  parseCores,
  parseCount,
  parseDuration,
  parseWeight,
} from '../core/units.ts';
import { admissionSchema } from './admission-document.ts';
import { CAPABILITY_NAMES, parseCapability } from './capability-names.ts';
import {
  checkedString,
  ENVIRONMENT_NAME,
  type Fault,
  faultOf,
  list,
  nameFault,
  report,
  shorten,
} from './checked-value.ts';
import { networkSchema } from './document-network.ts';
import { pathFault } from './path.ts';
import { WALL_NAMES } from './policy.ts';
import { protectFault } from './protect.ts';
import { sideChannelsSchema } from './side-channels.ts';
import { suggest } from './suggest.ts';

const names = ['none', 'basic', 'moderate', 'strict', 'paranoid'] as const;

/** A limit: a quantity, or `null` or `unlimited` to lift it. */
function limit(parse: (value: string | number) => number, examples: string) {
  return z
    .union([z.string(), z.number(), z.null()], { error: `write ${examples}, or null for no limit` })
    .check((ctx) =>
      report(ctx, () => {
        const { value } = ctx;
        return value === null || value === 'unlimited' ? undefined : faultOf(() => parse(value));
      }),
    );
}

const path = checkedString(pathFault);
const syscall = checkedString(nameFault(/^[a-z_][a-z0-9_]{0,63}$/, 'a name of a system call'));
const capability = checkedString((text) => {
  if (parseCapability(text)) return undefined;
  const near = suggest(text.toUpperCase().replace(/^(CAP_)?/, 'CAP_'), CAPABILITY_NAMES);
  return { message: `${shorten(text)} is not a capability`, hint: near && `did you mean ${near}?` };
});

const filesystem = z
  .strictObject({
    read: list(path).describe(
      'Paths that may be read, with everything below. `!path` carves out. What may be written may be read, too.',
    ),
    write: list(path).describe(
      'Paths that may be written, with everything below. `!path` carves out.',
    ),
    scratch: list(path).describe(
      'Absolute paths that are private, empty at the start, and gone afterwards.',
    ),
    protect: list(checkedString(protectFault)).describe(
      'Paths below the workspace that stay as they are, also where they do not exist: they cannot be changed, created or renamed. `*` stands for any part of a component, `**/` for any directories. `!pattern` drops an inherited pattern.',
    ),
    workspace: z
      .enum(['direct', 'overlay', 'staged', 'none'])
      .describe(
        '`direct`: the run works on the workspace itself; `overlay`: its changes are kept aside until they are applied; `staged`: it works on copies of what `read` names, sees nothing else, and of its changes those that `write` names are applied (`write` does not imply reading then, and may name what is yet to be made); `none`: there is no workspace.',
      ),
    apply: z
      .enum(['manual', 'auto'])
      .describe(
        'When the changes of an overlay or a staged workspace are applied: by hand after a look, or when the run has ended.',
      ),
    sys: z.boolean().describe('Whether /sys is there, read-only.'),
  })
  .partial();

const environment = z
  .strictObject({
    pass: list(
      checkedString(
        nameFault(
          /^!?([A-Za-z_][A-Za-z0-9_]{0,254}\*?|\*)$/,
          'a name, a prefix such as LC_*, or *',
        ),
      ),
    ).describe('Names taken over from the caller. `LC_*` is a prefix, `!NAME` carves out.'),
    set: z
      .record(
        checkedString(nameFault(ENVIRONMENT_NAME, 'a name of an environment variable')),
        z.union([z.string(), z.number(), z.boolean()], { error: 'write a string' }),
      )
      .describe('Values that are set whatever the caller has.'),
  })
  .partial();

const syscalls = z
  .strictObject({
    preset: z
      .enum(['default', 'minimal', 'all'])
      .describe(
        'What is allowed before `allow` and `deny`. A floor that no policy opens stays closed.',
      ),
    allow: list(syscall).describe('System calls allowed beyond the preset.'),
    deny: list(syscall).describe(
      'System calls denied, whatever the preset or `allow` says. `socket_unix`: unix sockets (socket(2) of that family), so that none of the host can be connected to.',
    ),
  })
  .partial();

const capabilities = z
  .strictObject({
    base: z.enum(['none', 'all']).describe('What `add` and `drop` start from.'),
    add: list(capability).describe('Capabilities beyond the base, such as `net_bind_service`.'),
    drop: list(capability).describe('Capabilities taken away, whatever else is said.'),
  })
  .partial();

const SIZE = 'a size such as 512MiB';
const TIME = 'a duration such as 30s';
const COUNT = 'a whole number';

const limits = z
  .strictObject({
    timeout: limit(parseDuration, TIME).describe(
      'Wall-clock time of a run. A plain number is seconds.',
    ),
    cpuTime: limit(parseDuration, TIME).describe(
      'CPU time of all processes together. A plain number is seconds.',
    ),
    cpu: limit(parseCores, 'a number of cores such as 1.5').describe('Cores, as a quota.'),
    cpuWeight: limit(parseWeight, 'a number from 1 to 10000').describe(
      'Share of the CPU against other sandboxes, 1 to 10000.',
    ),
    memory: limit(parseBytes, SIZE).describe(
      'Memory of all processes together, scratch space included; 1MiB at least.',
    ),
    memoryHigh: limit(parseBytes, SIZE).describe(
      'Above this the guest is slowed and its memory reclaimed.',
    ),
    processes: limit(parseCount, COUNT).describe('Processes and threads.'),
    openFiles: limit(parseCount, COUNT).describe('Open files of each process.'),
    fileSize: limit(parseBytes, SIZE).describe('Size of a file that is written.'),
    output: limit(parseBytes, SIZE).describe('Bytes kept of stdout and of stderr, each.'),
    onOutputLimit: z
      .enum(['truncate', 'kill'])
      .describe('Past the output limit: keep head and tail and go on, or end the run.'),
    scratch: limit(parseBytes, SIZE).describe('Size of each scratch space.'),
    readRate: limit(parseByteRate, 'a rate such as 50MiB/s').describe(
      'Bytes read from disk a second.',
    ),
    writeRate: limit(parseByteRate, 'a rate such as 50MiB/s').describe(
      'Bytes written to disk a second.',
    ),
    core: limit(parseCoreBytes, 'a size, or 0 for no core dumps').describe(
      'Size of core dumps; 0 means none, and is the only limit that may be 0.',
    ),
    stack: limit(parseBytes, SIZE).describe('Stack of each process.'),
  })
  .partial();

const HOSTNAME = /^[a-zA-Z0-9]([a-zA-Z0-9.-]{0,62}[a-zA-Z0-9])?$/;

export const policyDocumentSchema = z
  .strictObject({
    version: z.literal(1).describe('Version of the format: 1.'),
    name: checkedString(
      nameFault(/^[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}$/, 'a name of letters, digits, space, . _ -'),
    ).describe('What the policy is called.'),
    extends: z
      .union([z.string(), z.array(z.string()).max(16)], {
        error: 'write a name or a list of names',
      })
      .describe(
        'Policies that this one builds on: profiles (`agent`) or files (`./base.yaml`, relative to this one). Lists are joined, single values replaced.',
      ),
    level: z
      .enum(names)
      .describe(
        'Preset for everything that is not said: `none`, `basic`, `moderate`, `strict` (default), `paranoid`.',
      ),
    walls: z
      .array(z.enum(WALL_NAMES))
      .min(1)
      .max(WALL_NAMES.length)
      .describe('Which walls may be used, best first. Default: what the level names.'),
    hermetic: z
      .boolean()
      .describe('Inputs and outputs are apart: no path may be both in `read` and in `write`.'),
    filesystem: filesystem.describe('What of the file system is seen and changed.'),
    network: networkSchema.describe('Where one may connect.'),
    environment: environment.describe('The environment variables.'),
    syscalls: syscalls.describe('The system calls.'),
    capabilities: capabilities.describe('The capabilities.'),
    devices: list(checkedString(deviceFault)).describe(
      'Character devices beyond null, zero, full, random, urandom, tty and pts.',
    ),
    hostname: checkedString(nameFault(HOSTNAME, 'a host name of at most 64 characters')).describe(
      'The host name inside.',
    ),
    onViolation: z
      .enum(['record', 'kill'])
      .describe(
        'What is refused is recorded. `record`: and the guest goes on; `kill`: and the run ends. Not said, `strict` and `paranoid` end the run for an attempt to get out alone (mount, ptrace, new namespaces …), since programs probe; the others record.',
      ),
    fileRefusals: z
      .enum(['none', 'audit', 'observe'])
      .describe(
        'Whether refused file accesses are recorded, too. `audit`: those that Landlock refuses, where the audit log of the host is on; `observe`: each open, execution and change of a file is looked at before it goes on, which costs time and decides nothing; `none` (default): they are not.',
      ),
    sideChannels: sideChannelsSchema.describe(
      'What is done against side channels and leaks. What is not said, the level says.',
    ),
    admission: admissionSchema.describe(
      'What is asked of code before it may run: docs/admission.md.',
    ),
    limits: limits.describe(
      'How much of everything. `null` or `unlimited` lifts a limit where the level allows it.',
    ),
  })
  .partial()
  .describe('A policy of Caisson');

/** A policy as a person writes it. */
export type PolicyDocument = z.infer<typeof policyDocumentSchema>;

/** JSON Schema (draft 2020-12) of {@link policyDocumentSchema}, for editors. */
export function policyJsonSchema(): Record<string, unknown> {
  return z.toJSONSchema(policyDocumentSchema) as Record<string, unknown>;
}

function deviceFault(text: string): Fault {
  const fault = pathFault(text);
  if (fault) return fault;
  return /^\/dev\/./.test(text)
    ? undefined
    : { message: `${shorten(text)} is not below /dev`, hint: 'write a path such as /dev/fuse' };
}
