/** What programs are started with: command lines that nobody writes for a good reason. */
import type { Place } from '../catalogue/places.ts';
import { ruleName } from './effects.ts';
import { at, type Found, type Scene, textsOf } from './scene.ts';

interface Command extends Place {
  readonly name: string;
  readonly score: number;
}

const COMMANDS: readonly Command[] = [
  {
    name: 'encoded-powershell',
    score: 92,
    pattern: /powershell[\s\S]*\s-(e|ec|en|enc\w*)\s+['"]?[A-Za-z0-9+/=]{12,}/i,
    what: 'runs an encoded PowerShell script',
  },
  {
    name: 'fetched-powershell',
    score: 95,
    pattern:
      /(^|[^-\w])(iex|invoke-expression)\b[\s\S]*(https?:|iwr|invoke-webrequest|net\.webclient|downloadstring|frombase64string)|(\.downloadstring|downloadfile\(|\birm\b|invoke-webrequest)[\s\S]*(iex|invoke-expression|start-process|-outfile)/i,
    what: 'has PowerShell fetch or decode code and run it',
  },
  {
    name: 'hidden-window',
    score: 82,
    pattern: /powershell[\s\S]*\s-(w|win|window|windowstyle)\s+(hidden|1)\b/i,
    what: 'runs PowerShell where nobody sees it',
  },
  {
    name: 'fetched-shell',
    score: 90,
    pattern:
      /\b(curl|wget)\b[^|;&]*(\|\s*(sudo\s+)?(ba|z|da)?sh\b|\|\s*python|-O-?\s*\|\s*\w*sh\b)|\b(ba)?sh\s+-c\s+["']?\$\((curl|wget)\b|\b(ba)?sh\s+<\((curl|wget)/i,
    what: 'fetches a script and runs it in a shell',
  },
  {
    name: 'decoded-shell',
    score: 92,
    pattern:
      /base64\s+(-d|-D|--decode)[^|]*\|\s*(sudo\s+)?(ba|z|da)?sh\b|xxd\s+-r[^|]*\|\s*\w*sh\b/,
    what: 'decodes a script and runs it in a shell',
  },
  {
    name: 'reverse-shell',
    score: 98,
    pattern:
      /\/dev\/(tcp|udp)\/[\w.$-]+\/|\bn(et)?c(at)?\b[^|;]*\s-[a-z]*[ec]\s*\/?(bin\/)?\w*sh\b|mkfifo\s+\S+[\s\S]*\bn(et)?c(at)?\b|socket\.socket[\s\S]*dup2|TCPClient\([\s\S]*iex/i,
    what: 'ties a shell to a connection',
  },
  {
    name: 'wiped-disk',
    score: 95,
    pattern:
      /\brm\s+(-\w+\s+)*-\w*[rf]\w*\s+(-\w+\s+)*(--no-preserve-root\s+)?["']?(\/|~|\$HOME|\/\*|~\/\*|\$\{HOME\})["']?(\s|$|;|&)|\bmkfs(\.\w+)?\s+\/dev\/|\bdd\s[\s\S]*of=\/dev\/(sd|nvme|hd|vd|mmcblk)|>\s*\/dev\/(sd|nvme)[a-z0-9]|\b(del|erase)\s+(\/\w\s+)*\/s[\s\S]*(c:\\|%systemdrive%)|\bformat\s+c:|vssadmin\s+delete\s+shadows|wbadmin\s+delete/i,
    what: 'deletes all there is',
  },
  {
    name: 'hidden-file',
    score: 60,
    pattern: /\battrib\s+\+[hs]\b|icacls\s[\s\S]*everyone/i,
    what: 'hides files',
  },
  {
    name: 'fetched-by-windows',
    score: 90,
    pattern:
      /\bcertutil(\.exe)?\s[\s\S]*-(urlcache|decode)|\bbitsadmin\s[\s\S]*\/transfer|\bmshta(\.exe)?\s+["']?(http|javascript|vbscript)|\bregsvr32\s[\s\S]*\/i:http|rundll32(\.exe)?\s+javascript/i,
    what: 'has a program of Windows fetch code',
  },
  {
    name: 'disabled-guard',
    score: 92,
    pattern:
      /Set-MpPreference|Add-MpPreference|DisableRealtimeMonitoring|netsh\s+(advfirewall|firewall)\s+set[\s\S]*off|setenforce\s+0|taskkill[\s\S]*(defender|msmpeng)|iptables\s+-F\b|ufw\s+disable|systemctl\s+(stop|disable)\s+(firewalld|apparmor|auditd|ufw)/i,
    what: 'turns off what guards the machine',
  },
  {
    name: 'privileged-mark',
    score: 85,
    pattern: /chmod\s+(-\w+\s+)*(u?\+s|[46]7[0-7]{2}|a?\+s)\b|setcap\s+\S*cap_(setuid|sys_admin)/,
    what: 'lets anybody run a program as its owner',
  },
  {
    name: 'told-stranger',
    score: 86,
    pattern:
      /\b(curl|wget|nslookup|dig|ping)\b[^;\n]*(\$\(|`)\s*(hostname|whoami|id|env|printenv|uname|cat|pwd|ls)\b/,
    what: 'tells another machine who runs it, or what is on it',
  },
  {
    name: 'cleared-history',
    score: 80,
    pattern:
      /history\s+-c\b|unset\s+HISTFILE|HISTFILE=\/dev\/null|HISTSIZE=0|rm\s[^;|]*\.(bash|zsh)_history|>\s*\S*\.(bash|zsh)_history|wevtutil\s+cl\b|Clear-EventLog|(rm|shred)\s[^;]*\/var\/log\/(wtmp|auth|secure|lastlog)/i,
    what: 'removes traces of itself',
  },
  {
    name: 'privileged-container',
    score: 90,
    pattern:
      /docker\s+run\b[\s\S]*(--privileged|-v\s+\/:\/|--pid[= ]host)|nsenter\s[\s\S]*(-t|--target)[= ]?1\b/,
    what: 'starts a container that has the host in it',
  },
];

/** Command lines are short; scripts that are handed over whole are looked at as scripts. */
const LONGEST_LINE = 6000;
/** Different ones of a script that are looked at. */
const MOST_LINES = 3000;

/** Code of another language within a text, as it is written to a file or handed to an interpreter. */
const WRITTEN_CODE: readonly Command[] = [
  {
    name: 'written-downloader',
    score: 90,
    pattern:
      /\bexec\s*\(\s*(\w+\.)*\w*(urlopen|requests\.get|get)\s*\(\s*([\w.]+\s*\(\s*)?(url\s*=\s*)?f?b?['"]https?:|\beval\s*\(\s*(await\s+)?(atob|fetch|Buffer\.from)\s*\(|exec\s*\(\s*(base64|__import__)\b/,
    what: 'holds the text of a program that runs what it downloads or decodes',
  },
];

export function* commands(scene: Scene): Iterable<Found> {
  yield* startedCommands(scene);
  yield* scriptCommands(scene);
  if (scene.doing('run', 'evaluate', 'write-file').length === 0) return;
  yield* templates(scene);
  for (const text of scene.texts) {
    if (text.value.length < 20) continue;
    const code = WRITTEN_CODE.find(({ pattern }) => pattern.test(text.value.slice(0, 20_000)));
    if (code === undefined) continue;
    yield { ...told(code, 'dynamic-code'), ...at(text) };
  }
}

const told = (
  command: Command,
  family: Found['family'],
): Pick<Found, 'family' | 'name' | 'score' | 'explanation'> => ({
  family,
  name: command.name,
  score: command.score,
  explanation: `This ${command.what}.`,
});

function* startedCommands(scene: Scene): Iterable<Found> {
  if (scene.language === 'shell') return;
  const seen = new Set<string>();
  for (const { use } of scene.doing('run')) {
    const line = textsOf(use).join(' ').slice(0, LONGEST_LINE);
    if (seen.has(line)) continue;
    seen.add(line);
    for (const command of COMMANDS) {
      if (command.pattern.test(line)) yield { ...told(command, familyOf(command)), ...at(use) };
    }
  }
}

/** What commands that are put together of what is not known are put together of. */
const IN_TEMPLATES = new Set(['decoded-shell', 'fetched-shell', 'reverse-shell']);

/** `'echo %s|base64 -d|bash' % x`: what is run is not known, what it is made of says enough. */
function* templates(scene: Scene): Iterable<Found> {
  if (scene.language === 'shell') return;
  const unknown = scene.doing('run').find(({ use: { args } }) => {
    const [first] = args;
    return first !== undefined && first.constant === undefined && first.items === undefined;
  });
  if (unknown === undefined) return;
  for (const command of COMMANDS) {
    if (!IN_TEMPLATES.has(command.name)) continue;
    const text = scene.texts.find(
      ({ value }) => value.length >= 12 && command.pattern.test(value.slice(0, LONGEST_LINE)),
    );
    if (text === undefined) continue;
    yield { ...told(command, familyOf(command)), ...at(text), flow: [unknown.use] };
  }
}

/** A shell script is made of commands: each with its words, as far as they are known, and what is piped into it. */
function* scriptCommands(scene: Scene): Iterable<Found> {
  if (scene.language !== 'shell') return;
  const seen = new Set<string>();
  for (const use of scene.facts.uses) {
    if (use.form !== 'command' && use.form !== 'write') continue;
    const socket = textsOf(use).some((text) => /^\/dev\/(tcp|udp)\/[^/]+\/\d+$/.test(text));
    if (socket && /^sh:[<>]/.test(use.path)) {
      yield {
        family: 'network',
        name: 'socket-file',
        ...at(use),
        score: 75,
        capability: 'network',
        declared: 40,
        explanation: 'This opens a connection by way of a name that the shell takes for one.',
      };
    }
    const line = `${ruleName(use.path) === 'use' ? '>' : use.path.replace(/^sh:/, '')} ${use.args.map(({ constant }) => String(constant ?? '')).join(' ')}`;
    const short = line.slice(0, LONGEST_LINE);
    const written = scene.facts.text(use.start, Math.min(use.end, use.start + 600));
    if (seen.size > MOST_LINES || seen.has(written)) continue;
    seen.add(written);
    for (const command of COMMANDS) {
      if (command.pattern.test(short) || command.pattern.test(written)) {
        yield { ...told(command, familyOf(command)), ...at(use) };
      }
    }
  }
}

function familyOf({ name }: Command): Found['family'] {
  if (name === 'wiped-disk' || name === 'hidden-file' || name === 'privileged-mark')
    return 'filesystem';
  if (name === 'disabled-guard' || name === 'cleared-history') return 'evasion';
  return name === 'privileged-container' ? 'sandbox-escape' : 'child-process';
}
