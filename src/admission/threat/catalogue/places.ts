/** Texts that tell what is being reached for: places of secrets, of what is started again, and where data goes. Long, as lists are. */

export interface Place {
  readonly pattern: RegExp;
  /** What it is, as part of a sentence. */
  readonly what: string;
}

/** `[\\/]+` in paths: both systems' separators, written doubled or not. */
const S = '[\\\\/]+';
const path = (source: string): RegExp => new RegExp(source.replaceAll('~/', S), 'i');

export const SECRET_PLACES: readonly Place[] = [
  {
    pattern: path(
      '(^|~/|\\W)\\.ssh(~/(id_(rsa|dsa|ecdsa|ed25519)|config|known_hosts)\\b|~/?$|~/\\*)|\\bid_(rsa|ed25519)$',
    ),
    what: 'keys of SSH',
  },
  {
    pattern: path('(^|~/|\\W)\\.aws(~/|$)(credentials|config)?|^credentials\\.csv$'),
    what: 'keys of a cloud',
  },
  {
    pattern: path(
      '\\.config~/gcloud|application_default_credentials\\.json|\\.azure~/|\\.kube~/config|\\.docker~/config\\.json|\\.vault-token',
    ),
    what: 'keys of a cloud',
  },
  {
    pattern: path('(^|~/|\\s)\\.(npmrc|pypirc|netrc|git-credentials|yarnrc)$'),
    what: 'tokens of a registry',
  },
  {
    pattern: path('^~?/?etc~/(shadow|gshadow|master\\.passwd)\\b|~/etc~/shadow\\b'),
    what: 'password hashes of the machine',
  },
  { pattern: path('^~/etc~/passwd$'), what: 'accounts of the machine' },
  { pattern: path('\\.gnupg(~/|$)'), what: 'keys of GnuPG' },
  {
    pattern: path(
      '^(.*~/)?login data( for account)?$|~/login data$|logins\\.json$|(^|~/)key[34]\\.db$|^(.*~/)?web data$|~/Network~/Cookies$|cookies\\.sqlite$|signons\\.sqlite$',
    ),
    what: 'passwords and cookies of a browser',
  },
  {
    pattern: path(
      '~/(user data|Opera Stable|Brave-Browser|Opera GX Stable|YandexBrowser)\\b|Google~/Chrome|BraveSoftware|Mozilla~/Firefox~/Profiles',
    ),
    what: 'the profile of a browser',
  },
  {
    pattern: path(
      'local storage~/leveldb|discord(canary|ptb)?~/local storage|~/Lightcord|~/discordptb',
    ),
    what: 'tokens of a chat program',
  },
  {
    pattern: path(
      'nkbihfbeogaeaoehlefnkodbefgpgknn|ejbalbakoplchlghecdalmeeeajnimhm|bfnaelmomeimhlpmgjnjophhpkkoljpa|fhbohimaelbohpjbbldcngcnapndodjp',
    ),
    what: 'a wallet in the browser',
  },
  {
    pattern: path(
      '(^|~/)wallet\\.dat$|~/Exodus~/|exodus\\.wallet|~/Electrum~/wallets|atomic~/Local Storage|~/Ethereum~/keystore|\\.solana~/id\\.json|\\.config~/solana|~/Zcash|~/Armory|~/bytecoin|\\.bitcoin~/',
    ),
    what: 'a wallet',
  },
  {
    pattern: path(
      'telegram desktop~/tdata|~/tdata$|Steam~/config|ssfn|~/\\.minecraft~/launcher_accounts',
    ),
    what: 'sessions of a program',
  },
  {
    pattern: path(
      '~/Keychains~/|login\\.keychain|kwallet|gnome-keyring|~/Microsoft~/(Credentials|Protect|Vault)',
    ),
    what: 'the key store of the system',
  },
  {
    pattern: path(
      '169\\.254\\.169\\.254|metadata\\.google\\.internal|100\\.100\\.100\\.200|~/computeMetadata~/',
    ),
    what: 'keys of the cloud machine it runs on',
  },
  {
    pattern: path('~/serviceaccount~/token|~/proc~/(self|1|\\d+)~/environ'),
    what: 'secrets handed to a process',
  },
  {
    pattern: path('\\.(bash|zsh|python|node_repl|psql|mysql)_history$'),
    what: 'what a person has typed',
  },
];

/** Variables of the environment that hold secrets. */
export const SECRET_VARIABLE =
  /(^|_)(SECRET|TOKEN|PASSW(OR)?D|APIKEY|API_KEY|PRIVATE_KEY|ACCESS_KEY|CREDENTIALS?)(_|$)|^(AWS_|GITHUB_TOKEN|GH_TOKEN|NPM_TOKEN)/i;

/** Patterns by which a text searches others for secrets. */
export const TOKEN_PATTERNS: readonly Place[] = [
  {
    pattern: /\[\\w-\]\{2[34]\}\\?\.\[\\w-\]\{6\}|mfa\\?\.\[\\w-\]\{8[04]|dQw4w9WgXcQ:/,
    what: 'tokens of a chat program',
  },
  {
    pattern: /\bAKIA\[[0-9A-Z-]+\]|ghp_\[|gho_\[|xox\[[a-z]+\]|npm_\[A-Za-z|sk_live_\[|AIza\[/,
    what: 'keys of clouds and registries',
  },
  {
    pattern: /BEGIN \(?(RSA|OPENSSH|EC|DSA)?\)?.{0,8}PRIVATE KEY.{0,20}(\\s|\.\*|\[)/,
    what: 'private keys',
  },
  {
    pattern:
      /\[13\]\[a-km-zA-HJ-NP-Z1-9\]|\(\?:?bc1\|\[13\]\)|0x\[a-fA-F0-9\]\{40\}.{0,80}(clip|replace)/,
    what: 'addresses of wallets',
  },
];

/** Where nobody sends anything but what they took: services that take texts from anybody and name nobody. */
export const DROP_PLACES: readonly Place[] = [
  {
    pattern: /\bdiscord(app)?\.com[\\/]+api[\\/]+(v\d+[\\/]+)?webhooks/i,
    what: 'a webhook of a chat service',
  },
  { pattern: /\bapi\.telegram\.org[\\/]+bot/i, what: 'a bot of a chat service' },
  {
    pattern:
      /\b(webhook\.site|requestbin\.(net|com)|pipedream\.net|beeceptor\.com|hookbin\.com|ptsv[23]\.com|requestcatcher\.com|webhook\.cool|mockbin\.|canarytokens\.(com|org)|postb\.in|typedwebhook\.tools)/i,
    what: 'a catcher of requests',
  },
  {
    pattern:
      /\b(oastify\.com|burpcollaborator\.net|interact\.sh|interactsh\.com|oast\.(me|pro|fun|live|online|site)|dnslog\.cn|ceye\.io|bxss\.me|eyes\.sh)/i,
    what: 'a catcher of requests and of name look-ups',
  },
  {
    pattern:
      /\b(transfer\.sh|file\.io|gofile\.io|anonfiles?\.com|catbox\.moe|0x0\.st|temp\.sh|bashupload\.com|tmpfiles\.org|store\d*\.gofile)\b/i,
    what: 'a store of files for anybody',
  },
  {
    pattern:
      /\b(pastebin\.com[\\/]+raw|hastebin\.com|paste\.ee|rentry\.co|ghostbin\.|controlc\.com|termbin\.com|paste\.c-net|pastesio|pasteio|raw\.githack|toptal\.com[\\/]+developers[\\/]+hastebin)/i,
    what: 'a paste that anybody can change',
  },
  {
    pattern:
      /[\w-]\.(ngrok\.io|ngrok-free\.app|ngrok\.app|trycloudflare\.com|serveo\.net|localtunnel\.me|loca\.lt|localhost\.run|portmap\.io|tunnelto\.dev|bore\.pub)\b/i,
    what: 'a tunnel to an unknown machine',
  },
  {
    pattern:
      /[\w-]\.(duckdns\.org|no-ip\.(com|org|biz)|ddns\.net|hopto\.org|zapto\.org|sytes\.net|dynu\.(com|net)|myftp\.(biz|org)|servehttp\.com|3utilities\.com|bounceme\.net|onthewifi\.com|gotdns\.ch|redirectme\.net)\b/i,
    what: 'a name that moves between machines',
  },
  { pattern: /\b[a-z2-7]{16,56}\.onion\b/i, what: 'a hidden service' },
  { pattern: /\bcdn\.discordapp\.com[\\/]+attachments[\\/]/i, what: 'a file in a chat service' },
];

const ADDRESS =
  /^(?:[a-z]+:\/\/)?(?:[^/@\s]*@)?(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})(?::\d+)?(?:[/?#]|$)/i;

/** A machine named by its address in the public network; not versions, masks or addresses of one's own network. */
export function isBareAddress(text: string): boolean {
  const parts = ADDRESS.exec(text);
  if (parts === null) return false;
  const [a = 0, b = 0, c = 0, d = 0] = parts.slice(1).map(Number);
  if ([a, b, c, d].some((part) => part > 255)) return false;
  const own =
    a === 0 ||
    a === 10 ||
    a === 127 ||
    a >= 224 ||
    (a === 192 && b === 168) ||
    (a === 172 && b >= 16 && b < 32) ||
    (a === 169 && b === 254) ||
    (a === 100 && b >= 64 && b < 128);
  // Name servers that everybody asks, and blocks for documents.
  const known = /^(8\.8\.[84]\.[84]|1\.[01]\.[01]\.1|9\.9\.9\.9|1\.2\.3\.4)$/.test(
    [a, b, c, d].join('.'),
  );
  return !own && !known && a > 1;
}

/** What is run again without being asked, by writing there. */
export const PERSISTENT_PLACES: readonly Place[] = [
  {
    pattern: path(
      '(^|~/)\\.(bashrc|bash_profile|bash_login|profile|zshrc|zprofile|zshenv|bash_logout|config~/fish~/config\\.fish)$|^~/etc~/(profile|bash\\.bashrc|rc\\.local|zsh)',
    ),
    what: 'the start of shells',
  },
  {
    pattern: path(
      '~/?etc~/(cron\\.(d|daily|hourly|weekly|monthly)|crontab|anacrontab)\\b|~/var~/spool~/cron',
    ),
    what: 'the table of timed programs',
  },
  {
    pattern: path(
      '(etc|lib|usr~/lib|\\.config)~/systemd~/(system|user)~/|~/etc~/init\\.d~/|~/etc~/init~/',
    ),
    what: 'services of the system',
  },
  { pattern: path('Library~/Launch(Agents|Daemons)'), what: 'launch agents' },
  {
    pattern: path(
      '\\.config~/autostart|~/etc~/xdg~/autostart|Start Menu~/Programs~/Startup|~/Startup~/',
    ),
    what: 'programs started at login',
  },
  {
    pattern: path(
      'Software~/Microsoft~/Windows( NT)?~/CurrentVersion~/(Run|RunOnce|Winlogon|Policies~/Explorer~/Run)',
    ),
    what: 'programs that Windows starts',
  },
  { pattern: path('\\.ssh~/authorized_keys'), what: 'keys that may log in' },
  { pattern: path('\\.git~/hooks~/\\w|core\\.hooksPath'), what: 'hooks of a repository' },
  {
    pattern: path('~/?etc~/ld\\.so\\.preload|LD_PRELOAD=|DYLD_INSERT_LIBRARIES='),
    what: 'libraries loaded into every program',
  },
  {
    pattern: path('~/?etc~/(sudoers|passwd|shadow|pam\\.d)\\b'),
    what: 'who may do what on the machine',
  },
  {
    pattern: path('(usercustomize|sitecustomize)\\.py$|site-packages~/[\\w-]+\\.pth$'),
    what: 'what Python runs when it starts',
  },
];

/** Ways out of a container or namespace. */
export const ESCAPE_PLACES: readonly Place[] = [
  {
    pattern: path('(^|\\W)(var~/)?run~/docker\\.sock|containerd\\.sock|crio\\.sock'),
    what: 'the socket of the container engine',
  },
  { pattern: path('~/proc~/1~/(root|ns|cwd)'), what: "the host's root through its first process" },
  {
    pattern: path('~/proc~/sys~/kernel~/core_pattern'),
    what: 'the program that the kernel starts on a crash',
  },
  {
    pattern: path('release_agent\\b'),
    what: 'the program that the kernel starts when a group empties',
  },
  {
    pattern: path(
      '~/proc~/sys~/kernel~/(modprobe|hotplug)|~/sys~/kernel~/uevent_helper|~/proc~/sys~/fs~/binfmt_misc~/register',
    ),
    what: 'programs that the kernel starts',
  },
  {
    pattern: path('~/proc~/(self~/mem|kcore)|^~/dev~/(mem|kmem|port)$'),
    what: 'memory beneath every wall',
  },
];

/** Miners, their pools and how both talk. */
export const MINING: readonly Place[] = [
  { pattern: /\bstratum(\+(tcp|ssl|tls|udp))?:\/\//i, what: 'the address of a pool' },
  { pattern: /"?\bmining\.(subscribe|authorize|submit|notify)\b/i, what: 'the protocol of pools' },
  {
    pattern:
      /\b(xmrig|xmr-stak|minerd|cpuminer|ccminer|cgminer|bfgminer|ethminer|t-rex|nbminer|phoenixminer|lolminer|gminer|nanominer|teamredminer|xmr-node-proxy|kdevtmpfsi|kinsing)(\b|\.exe)/i,
    what: 'a miner',
  },
  {
    pattern:
      /\b(supportxmr\.com|minexmr\.com|moneroocean\.stream|nanopool\.org|hashvault\.pro|2miners\.com|f2pool\.com|ethermine\.org|nicehash\.com|c3pool\.(com|org)|monerohash\.com|pool\.hashvault|herominers\.com|unmineable\.com|zpool\.ca|xmrpool\.eu|dwarfpool\.com)\b/i,
    what: 'a pool',
  },
  {
    pattern:
      /\b(coinhive|coin-hive|cryptoloot|crypto-loot|coinimp|jsecoin|deepminer|webminepool|minero\.cc|monerominer|webmr\.js)\b/i,
    what: 'a miner for browsers',
  },
  {
    pattern:
      /--donate-level\b|--cpu-priority\b.{0,200}--(url|pool)|--algo[= ](rx\/0|randomx|cryptonight|kawpow|ethash)|--randomx\b|\brx\/0\b/i,
    what: 'options of a miner',
  },
  {
    pattern: /\b(cryptonight|randomx|scrypt-?n?)[-_ ]?(hash|wasm|worker|miner|asmjs)\b/i,
    what: 'the hash of a currency',
  },
];

/** Signs that a program looks for who watches it. */
export const WATCHERS: readonly Place[] = [
  {
    pattern:
      /\b(virtualbox|vboxservice|vboxguest|vmtoolsd|vmwaretray|vmwareuser|vboxtray|qemu-ga|xenservice|prl_cc|sandboxie|sbiedll|cuckoo|joeboxserver|vmusrvc|vmsrvc)\b/i,
    what: 'virtual machines',
  },
  {
    pattern:
      /\b(wireshark|fiddler|httpdebugger\w*|processhacker|procmon|ollydbg|x(32|64|96)dbg|ida(64|q)?\.exe|immunitydebugger|tcpview|dumpcap|ksdumper\w*|pestudio)\b/i,
    what: 'programs that analyse others',
  },
  {
    pattern:
      /\b(WDAGUtilityAccount|JOHN-PC|DESKTOP-[A-Z0-9]{7}|SANDBOX|MALWARE|7SILVIA|HAL9TH|TEQUILABOOMBOOM)\b/,
    what: 'names of machines that analyse',
  },
  {
    pattern: /\b(00:0c:29|00:50:56|08:00:27|00:05:69|00:1c:14)\b/i,
    what: 'network cards of virtual machines',
  },
];

/** Most texts of code are words; all secret places hold one of these. */
const SECRET_HINT = /[./\\]|^id_|^login|data|cookies|wallet|keyring|^[a-p]{32}/i;

const LONGEST = 4000;

/** The first that a text names; undefined also of texts of more than 4,000 characters. */
export function placeOf(places: readonly Place[], text: string): Place | undefined {
  if (text.length > LONGEST || text.length < 4) return undefined;
  if (places === SECRET_PLACES && !SECRET_HINT.test(text)) return undefined;
  if (places === DROP_PLACES && !text.includes('.')) return undefined;
  return places.find(({ pattern }) => pattern.test(text));
}
