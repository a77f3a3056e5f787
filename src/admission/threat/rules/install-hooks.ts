/** What happens when a package is installed, before anybody has used it. */

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

const ODD_PROGRAM =
  /\b(powershell|curl|wget|certutil|bitsadmin|nc|ncat|mshta|cmd(\.exe)? \/c start|start \/b|bash -[ci]|sh -c|python\w* -c|pythonw|nohup|explorer|calc(\.exe)?$|notepad|whoami|nslookup|ping|crontab)\b|\.(exe|bat|vbs|ps1)\b/i;

const isOwnAddress = (texts: readonly string[]): boolean =>
  texts.some((text) => /^(https?:\/\/)?(localhost|127\.0\.0\.1|\[?::1\]?)([:/]|$)/.test(text));
