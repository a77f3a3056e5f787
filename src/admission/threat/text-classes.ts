/**
 * Kinds of text that say what a program is after: where it sends, what it fetches, where it hides. Each alone is found
 * in honest code, too, so that they are evidence for the model and no findings.
 */

const CLASSES = {
  url: /https?:\/\/[^\s/'"]+/i,
  'url-by-number': /https?:\/\/\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}/,
  /** Whoever knows the address may post there, and nobody else sees it. */
  dropbox:
    /discord(?:app)?\.com\/api\/webhooks|api\.telegram\.org\/bot|hooks\.slack\.com|webhook\.site|requestbin|pipedream\.net|ngrok|oastify|burpcollaborator|interact\.sh|oast\.|canarytokens|beeceptor/i,
  paste:
    /pastebin\.com|paste\.ee|rentry\.co|hastebin|transfer\.sh|gofile\.io|anonfiles|file\.io|cdn\.discordapp\.com\/attachments|raw\.githubusercontent\.com/i,
  'own-address': /api\.ipify\.org|ipinfo\.io|ifconfig\.me|ip-api\.com|checkip\.|icanhazip/i,
  executable: /\.(?:exe|scr|bat|cmd|ps1|vbs|hta|dll|pif|jse|wsf)(?:$|[\s"'?])/i,
  shell:
    /\b(?:powershell|cmd(?:\.exe)? \/c|wscript|cscript|rundll32|regsvr32|mshta|schtasks|certutil|bitsadmin|chmod \+x|\/bin\/(?:ba)?sh|bash -[ci]|nohup|curl -|wget |nslookup |base64 -d)/i,
  'hidden-place':
    /%(?:temp|tmp|appdata|localappdata|programdata|public)%|\\appdata\\|\\start menu\\|\/tmp\/\.|\/dev\/shm\/|\\temp\\|currentversion\\run/i,
  'secret-place':
    /login data|local storage|leveldb|\.ssh\b|id_rsa|\.npmrc|\.pypirc|\.aws\b|\.kube\b|wallet\.dat|\.electrum|metamask|exodus|\.netrc|\.git-credentials|cookies\.sqlite|key4\.db|\.docker\/config/i,
  'windows-object':
    /\b(?:wscript\.shell|shell\.application|scripting\.filesystemobject|adodb\.stream|(?:ms)?xml2?\.(?:server)?xmlhttp|winhttp\.winhttprequest|microsoft\.xmlhttp)/i,
  /** What a browser is made to load, or to leave for. */
  frame: /<iframe|<object|application\/x-|<script[^>]+src|visibility:\s*hidden|unescape\(/i,
} as const satisfies Readonly<Record<string, RegExp>>;

export const textClassNames = Object.keys(CLASSES) as readonly (keyof typeof CLASSES)[];

const patterns = Object.values(CLASSES);

/** Most texts are none of them: one look tells. No class is without one of these. */
const WORTH_A_LOOK =
  /[.\\/%<:]|powershell|login|local |nohup|metamask|exodus|wscript|leveldb|id_rsa|requestbin|hidden|schtasks|cscript|rundll|regsvr|mshta|certutil|bitsadmin|wget|nslookup|base64|cmd|curl|chmod|bash|ngrok|oast|beeceptor|canary|hastebin|anonfiles|burpc|icanhazip|unescape/i;

/** Longer texts are data; what they say is said at their beginning. */
const LOOKED_AT = 1000;

/** Bits in the order of {@link textClassNames}. */
export function textClasses(text: string): number {
  if (text.length < 4) return 0;
  const looked = text.length > LOOKED_AT ? text.slice(0, LOOKED_AT) : text;
  if (!WORTH_A_LOOK.test(looked)) return 0;
  let classes = 0;
  for (let bit = 0; bit < patterns.length; bit++) {
    if ((patterns[bit] as RegExp).test(looked)) classes |= 1 << bit;
  }
  return classes;
}
