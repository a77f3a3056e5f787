/** What of a .pth file is code (docs of Python, site). */

/** Of a .pth file, lines that begin with `import` are run, and others are paths: spaces, so that places stay. */
export function importsOf(bytes: Buffer): Buffer {
  const text = bytes.toString('latin1');
  const lines = text
    .split('\n')
    .map((line) => (/^import[ \t]/.test(line) ? line : ' '.repeat(line.length)));
  return Buffer.from(lines.join('\n'), 'latin1');
}
