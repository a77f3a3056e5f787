/** Where a receiver of OTLP/HTTP is. `localhost:4318` reads as a URL of the scheme `localhost`, and nothing would arrive. */

export function isReceiverUrl(text: string): boolean {
  return /^https?:\/\//i.test(text) && URL.canParse(text);
}

const HOST =
  /^(\/\/)?(?<rest>([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?(\/[A-Za-z0-9._/-]*)?)$/;
const FALLBACK = 'http://HOST:4318';

/** What to type instead; nothing of what may hold a password is repeated. */
export function receiverHint(text: string): string {
  const rest = HOST.exec(text.trim())?.groups?.rest;
  const whole = rest === undefined ? FALLBACK : `http://${rest}`;
  return `write ${isReceiverUrl(whole) ? whole : FALLBACK}, or the same with https`;
}
