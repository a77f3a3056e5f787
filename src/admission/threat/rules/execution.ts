/** What is run that came from elsewhere: downloaded, decoded or typed in by others; shells on sockets. */

import type { Use, Value } from '../facts.ts';
import { LABELS } from '../labels.ts';
import { pathTrait } from './path-traits.ts';
import {
  at,
  type Found,
  flowTo,
  labelsOf,
  originsOf,
  type Scene,
  sourcesOf,
  textsOf,
  valuesOf,
} from './scene.ts';

export function* execution(scene: Scene): Iterable<Found> {
  yield* downloaded(scene);
  yield* decoded(scene);
  yield* dropped(scene);
  yield* typedComponents(scene);
  yield* shellOnSocket(scene);
  yield* callersCode(scene);
}

const PULLED = {
  remedy: 'Ship the code with the module, or check a digest that stands in it before running it.',
} as const;

/** Download → execute. */
function* downloaded(scene: Scene): Iterable<Found> {
  for (const { use, entry } of scene.doing('run', 'evaluate', 'load-module')) {
    const evaluates = entry.acts?.includes('evaluate') === true;
    if ((codeLabels(scene, use, evaluates) & LABELS.network) === 0) continue;
    const sources = sourcesOf(scene, use, LABELS.network).filter((source) => source !== use);
    if (sources.length === 0) continue;
    yield {
      family: evaluates ? 'dynamic-code' : 'child-process',
      name: 'downloaded',
      ...at(use),
      score: evaluates ? 95 : 85,
      explanation: evaluates
        ? 'This runs as code what came over the network: whoever answers decides what the program does.'
        : 'This starts a program whose name or arguments came over the network.',
      ...PULLED,
      flow: flowTo(use, sources),
    };
  }
}

/** What of a use is run, rather than worked on by what is run. */
function codeOf(scene: Scene, use: Use, evaluates: boolean): readonly Value[] {
  if (scene.language !== 'shell') {
    return evaluates ? valuesOf(use) : use.args.slice(0, 1);
  }
  if (use.path === 'sh:eval') return use.args;
  // `exec gzip`: the program itself, not what it prints.
  if (!evaluates) return use.args.slice(0, 1).filter(({ path }) => path === undefined);
  const flag = use.args.findIndex(({ constant }) => /^-[a-z]*[ce]$/.test(String(constant)));
  if (flag >= 0) return use.args.slice(flag + 1, flag + 2);
  const script = use.args.find(({ constant }) => !/^-/.test(String(constant ?? '')));
  // An interpreter without a script reads it from its input; with one it reads data there.
  if (script !== undefined) return [script];
  return use.input === undefined ? [] : [use.input];
}

const codeLabels = (scene: Scene, use: Use, evaluates: boolean): number =>
  codeOf(scene, use, evaluates).reduce((labels, value) => labels | value.labels, 0);

const HARMLESS_DECODER =
  /(fromCharCode|fromCodePoint|unescape|decodeURI(Component)?|chr|unichr|bytes|bytearray|Buffer)$|Buffer\.from$/;

/** Decode → execute. */
function* decoded(scene: Scene): Iterable<Found> {
  for (const { use, entry } of scene.doing('evaluate', 'run')) {
    const evaluates = entry.acts?.includes('evaluate') === true;
    const hidden = codeOf(scene, use, evaluates).some((value) => value.hidden === 'encoded');
    const named = evaluates && originsOf(use).some(({ path }) => DECODES.test(path));
    if (!hidden && !named && (codeLabels(scene, use, evaluates) & LABELS.decoded) === 0) continue;
    const sources = sourcesOf(scene, use, LABELS.decoded).concat(
      originsOf(use).filter((origin) => isDecoder(scene, origin)),
    );
    const strong = sources.filter(
      (source) => !HARMLESS_DECODER.test(source.path) || namesEncoding(source),
    );
    if (!hidden && sources.length === 0) continue;
    const fromFile = (codeLabels(scene, use, evaluates) & LABELS.file) !== 0;
    yield {
      family: 'dynamic-code',
      name: 'decoded',
      ...at(use),
      // Loaders unpack files of their own program.
      score: (strong.length > 0 || hidden) && !fromFile ? 92 : 60,
      explanation: 'This decodes a text and runs it: what runs cannot be read in the source.',
      remedy: 'Write the code out where it can be read.',
      flow: flowTo(use, [...new Set(strong.length > 0 ? strong : sources)]),
    };
  }
}

const isDecoder = (scene: Scene, use: Use): boolean =>
  DECODES.test(use.path) || scene.doing('decode').some((located) => located.use === use);

/** By their names, whatever package they are of. */
const DECODES =
  /[._](decrypt|decompress|inflate|unhexlify|deobfuscate|(b\d\d|base\d\d)_?decode)(_\w+)?$/i;

/** `Buffer.from(x, 'base64')` decodes; `Buffer.from(x)` does not. */
const namesEncoding = (use: Use): boolean =>
  /^(base64(url)?|hex)$/i.test(String(use.args[1]?.constant ?? ''));

const MOST_WRITES = 50;

const PROGRAM_FILE = /\.(exe|scr|bat|cmd|vbs|vbe|jse|wsf|ps1|dll|msi|hta|com|pif|lnk|jar)$/i;

/** Download → write → execute. */
function* dropped(scene: Scene): Iterable<Found> {
  const runs = scene.doing('run');
  if (runs.length === 0) return;
  for (const { use } of scene.doing('write-file').slice(0, MOST_WRITES)) {
    if (((labelsOf(use) | (use.input?.labels ?? 0)) & LABELS.network) === 0) continue;
    yield* ranAfter(
      scene,
      use,
      runs.map((located) => located.use),
    );
  }
  for (const { use } of scene.doing('receive').slice(0, MOST_WRITES)) {
    const target = savesTo(use);
    if (target !== undefined) {
      yield* ranAfter(
        scene,
        use,
        runs.map((located) => located.use),
        target,
      );
    }
  }
}

/** Of calls and programs that download to a file: its name, as far as it is known. */
function savesTo(use: Use): string | undefined {
  const words = use.args.map((value) => value.constant);
  if (/urlretrieve$|wget\.download$|download$/.test(use.path)) return String(words[1] ?? '');
  if (/^sh:(curl|wget|aria2c)$/.test(use.path)) {
    const flag = words.findIndex((word) =>
      /^(-[a-zA-Z]*[oO]|--output(-document)?)$/.test(String(word)),
    );
    if (flag >= 0) return String(words[flag + 1] ?? '');
    const url = words.find((word) => /^[a-z]+:\/\//.test(String(word)));
    return use.path === 'sh:wget' || words.includes('-O')
      ? String(url ?? '')
          .split('/')
          .at(-1)
      : undefined;
  }
  return undefined;
}

function* ranAfter(
  scene: Scene,
  write: Use,
  runs: readonly Use[],
  target: string | undefined = textsOf({ ...write, args: write.args.slice(0, 1) })[0],
): Iterable<Found> {
  const places = new Set((write.args[0]?.origins ?? []).concat(write.args[1]?.origins ?? []));
  const run = runs.find((one) => {
    const texts = textsOf(one);
    const named =
      target !== undefined &&
      target.length > 2 &&
      (texts.some((text) => text.includes(target)) ||
        one.path === `sh:${target}` ||
        one.path === `sh:./${target}`);
    const same = originsOf(one).some((origin) => places.has(origin) && origin.form !== 'import');
    return one !== write && (named || same);
  });
  const program = target !== undefined && PROGRAM_FILE.test(target);
  if (run === undefined && !program) return;
  yield {
    family: 'child-process',
    name: 'dropped',
    ...at(run ?? write),
    score: run !== undefined && (program || scene.language !== 'javascript') ? 92 : 82,
    explanation: 'This downloads a file and starts it: nobody has looked at what it does.',
    ...PULLED,
    flow: flowTo(run ?? write, [write]),
  };
}

const COMPONENTS = pathTrait(/(ActiveXObject|CreateObject|GetObject)$/);

/** Windows scripts that fetch, save and start: their objects are named by texts, so that flows are often hidden. */
function* typedComponents(scene: Scene): Iterable<Found> {
  const named = new Map<string, Use>();
  for (const use of scene.having(COMPONENTS)) {
    for (const text of textsOf(use)) {
      const kind = componentKind(text);
      if (kind !== undefined && !named.has(kind)) named.set(kind, use);
    }
  }
  const [shell, fetches, stores] = [named.get('shell'), named.get('fetch'), named.get('store')];
  if (shell !== undefined) {
    yield {
      family: 'child-process',
      name: 'script-host-shell',
      ...at(shell),
      score: 95,
      ...((fetches ?? stores) === undefined
        ? ({ capability: 'child-process', declared: 70 } as const)
        : {}),
      explanation:
        fetches !== undefined
          ? 'A script for Windows that fetches something and can start programs: a downloader.'
          : 'A script for Windows that starts programs through its shell.',
      flow: [fetches, stores, shell].filter((use) => use !== undefined),
    };
  } else if (fetches !== undefined && stores !== undefined) {
    yield {
      family: 'child-process',
      name: 'script-host-downloader',
      ...at(fetches),
      score: 88,
      explanation: 'A script for Windows that fetches something and stores it: a downloader.',
      flow: [fetches, stores],
    };
  }
}

function componentKind(name: string): 'shell' | 'fetch' | 'store' | undefined {
  if (/^(wscript\.shell|shell\.application|winmgmts:.*)$/i.test(name)) return 'shell';
  if (/^(msxml2\.(server)?xmlhttp|microsoft\.xmlhttp|winhttp\.winhttprequest)/i.test(name)) {
    return 'fetch';
  }
  if (/^(adodb\.stream|scripting\.filesystemobject)$/i.test(name)) return 'store';
  return undefined;
}

const SHELLS = /(^|[\\/\s"'])(sh|bash|zsh|cmd(\.exe)?|powershell(\.exe)?)("|'|\s|$)/;

/** A shell whose input and output are a connection. */
function* shellOnSocket(scene: Scene): Iterable<Found> {
  const sockets = scene
    .doing('send', 'listen')
    .filter(({ use }) => /socket|net\.|tls\.|Socket|connect/.test(use.path));
  for (const { use } of scene.doing('run')) {
    if (!textsOf(use).some((text) => SHELLS.test(text)) || sockets.length === 0) continue;
    const joined = scene.facts.uses.some(({ path }) => /\bdup2$|pty\.spawn$/.test(path));
    const piped = (labelsOf(use) & LABELS.network) !== 0 || pipesBothWays(scene);
    if (!joined && !piped) continue;
    yield {
      family: 'child-process',
      name: 'reverse-shell',
      ...at(use),
      score: 98,
      explanation:
        'This ties a shell to a connection: whoever is at the other end commands the machine.',
      remedy: 'Remove it.',
      flow: flowTo(
        use,
        sockets.slice(0, 3).map((located) => located.use),
      ),
    };
  }
}

const pipesBothWays = (scene: Scene): boolean =>
  scene.facts.uses.filter((use) => use.path.endsWith('.pipe') && use.receiver !== undefined)
    .length >= 2;

/** The caller's text as code: harmless where the caller is trusted, an open door elsewhere. */
function* callersCode(scene: Scene): Iterable<Found> {
  for (const { use } of scene.doing('evaluate', 'shell')) {
    const first = use.args[0];
    if (first === undefined || (first.labels & LABELS.caller) === 0) continue;
    yield {
      family: 'dynamic-code',
      name: 'of-caller',
      ...at(use),
      score: 82,
      capability: 'dynamic-code',
      declared: 15,
      explanation: 'This runs what its caller hands in as code or as a command.',
      remedy: 'Take data, not code; start programs with a list of arguments.',
    };
  }
}
