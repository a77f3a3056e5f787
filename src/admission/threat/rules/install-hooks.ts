/** What happens when a package is installed, before anybody has used it. */

import type { Use } from '../facts.ts';
import { LABELS } from '../labels.ts';
import { inSetup } from './exfiltration.ts';
import type { Found, Scene } from './scene.ts';
import { at, labelsOf, textsOf, valuesOf } from './scene.ts';

export function* installHooks(scene: Scene): Iterable<Found> {
  if (scene.language !== 'python') return;
  const hook = scene.doing('install-hook').find(({ use }) => use.named?.cmdclass !== undefined);
  if (!inSetup(scene) && hook === undefined) return;
  const flow = hook === undefined ? [] : [hook.use];
  for (const { use, entry } of scene.doing('send', 'receive')) {
    if (entry.family !== 'network' || isOwnAddress(textsOf(use))) continue;
    yield {
      family: 'persistence',
      name: 'install-network',
      ...at(use),
      score: hook === undefined ? 80 : 86,
      explanation: 'This talks to another machine while the package is being installed.',
      remedy: 'Install what the package holds; fetch the rest when it is asked for.',
      flow: [...flow, use],
    };
  }
  yield* ownPrograms(scene, flow);
  for (const { use } of scene.doing('run')) {
    const line = textsOf(use).join(' ');
    if (!ODD_PROGRAM.test(line) && (labelsOf(use) & LABELS.decoded) === 0) continue;
    yield {
      family: 'persistence',
      name: 'install-program',
      ...at(use),
      score: 88,
      explanation:
        'This starts a program that has nothing to do with building while the package is being installed.',
      flow: [...flow, use],
    };
  }
  for (const { use } of scene.doing('evaluate')) {
    const constant = valuesOf(use).some(
      ({ constant: text }) => typeof text === 'string' && text.length > 80,
    );
    if (!constant) continue;
    yield {
      family: 'persistence',
      name: 'install-code',
      ...at(use),
      score: 82,
      explanation: 'This runs a text as code while the package is being installed.',
      flow: [...flow, use],
    };
  }
}

/** Installing is no building: what a hook of it starts is rarely a compiler. */
function* ownPrograms(scene: Scene, flow: readonly Use[]): Iterable<Found> {
  const installs = scene.imports.some(({ path }) => INSTALL_COMMANDS.test(path));
  if (!installs || flow.length === 0) return;
  for (const { use } of scene.doing('run')) {
    if (BUILD_TOOL.test(textsOf(use).join(' '))) continue;
    yield {
      family: 'persistence',
      name: 'install-starts',
      ...at(use),
      score: 60,
      explanation: 'This starts a program from a hook of the installation.',
      remedy: 'Start it when it is asked for.',
      flow: [...flow, use],
    };
    return;
  }
}

const INSTALL_COMMANDS = /\.command\.(install|develop|egg_info|sdist)$/;

const BUILD_TOOL =
  /\b(c?make|ninja|meson|gcc|g\+\+|clang|cc|swig|cython|protoc|git|npm|yarn|cargo|go|rustc|msgfmt|sphinx-build|pkg-config|bash \.|configure|autoreconf|msbuild|pytest)\b/i;

const ODD_PROGRAM =
  /\b(powershell|curl|wget|certutil|bitsadmin|nc|ncat|mshta|cmd(\.exe)? \/c start|start \/b|bash -[ci]|sh -c|python\w* -c|pythonw|nohup|explorer|calc(\.exe)?$|notepad|whoami|nslookup|ping|crontab)\b|\.(exe|bat|vbs|ps1)\b/i;

const isOwnAddress = (texts: readonly string[]): boolean =>
  texts.some((text) => /^(https?:\/\/)?(localhost|127\.0\.0\.1|\[?::1\]?)([:/]|$)/.test(text));
