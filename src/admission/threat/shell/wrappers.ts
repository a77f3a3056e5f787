/** Programs that start another one, which stands among their words. */

/** Options with a word of their own behind them, as letters. */
const OPTIONS: Readonly<Record<string, string>> = {
  sudo: 'ughpCrtTRDU',
  doas: 'uC',
  env: 'uCS',
  nohup: '',
  setsid: '',
  exec: 'a',
  command: '',
  builtin: '',
  time: 'fo',
  nice: 'n',
  ionice: 'cnpPu',
  timeout: 'sk',
  xargs: 'InPdLsaE',
  stdbuf: 'ioe',
  chroot: '',
  busybox: '',
  watch: 'n',
  strace: 'eopus',
  runuser: 'ugG',
  unshare: '',
  nsenter: 't',
  torify: '',
  torsocks: '',
  proxychains: 'f',
  caffeinate: '',
  chrt: '',
  taskset: 'c',
  flock: 'wEc',
  unbuffer: '',
  script: 'c',
  parallel: 'j',
  watchdog: '',
};
/** Words before the program that are no options: a duration, a directory, a mask. */
const LEADING: Readonly<Record<string, number>> = {
  timeout: 1,
  chroot: 1,
  taskset: 1,
  flock: 1,
  chrt: 1,
};

/**
 * Where among the words (without the wrapper's own name) the program stands that it starts; -1: it starts none.
 *
 * @param words undefined where they are not known
 */
export function startedBy(wrapper: string, words: readonly (string | undefined)[]): number {
  if (wrapper === 'find') {
    const exec = words.findIndex(
      (word) => word !== undefined && /^-(exec|execdir|ok|okdir)$/.test(word),
    );
    return exec >= 0 && exec + 1 < words.length ? exec + 1 : -1;
  }
  const valued = Object.hasOwn(OPTIONS, wrapper) ? OPTIONS[wrapper] : undefined;
  if (valued === undefined) return -1;
  let leading = LEADING[wrapper] ?? 0;
  for (let at = 0; at < words.length; at++) {
    const word = words[at];
    if (word === undefined) return leading > 0 ? -1 : at;
    if (wrapper === 'command' && /^-[vV]/.test(word)) return -1;
    if (word === '--') continue;
    if (word.startsWith('-') && word.length > 1) {
      if (/^-[a-zA-Z]$/.test(word) && valued.includes(word.slice(1))) at++;
      continue;
    }
    if ((wrapper === 'env' || wrapper === 'sudo') && /^\w+=/.test(word)) continue;
    if (leading-- > 0) continue;
    return at;
  }
  return -1;
}
