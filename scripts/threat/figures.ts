/** Curves as SVG, with the numbers beside them as CSV: plain files, the same from the same figures. */

export interface Curve {
  readonly name: string;
  /** Share of benign refused, share of malicious caught; ascending. */
  readonly points: readonly (readonly [number, number])[];
}

const WIDTH = 640;
const HEIGHT = 420;
const LEFT = 60;
const TOP = 40;
const RIGHT = 20;
const BOTTOM = 60;
const LEAST = 1e-4;
const COLOURS = ['#0b6e4f', '#c44900', '#1f4e9e', '#7a7a7a', '#8d3b8d'];

const x = (rate: number): number => {
  const share = (Math.log10(Math.max(rate, LEAST)) - Math.log10(LEAST)) / -Math.log10(LEAST);
  return LEFT + share * (WIDTH - LEFT - RIGHT);
};
const y = (rate: number): number => TOP + (1 - rate) * (HEIGHT - TOP - BOTTOM);
const at = (value: number): string => value.toFixed(1);

/** Share caught over share refused by mistake, the latter on a logarithmic axis. */
export function curvesAsSvg(title: string, curves: readonly Curve[]): string {
  const text = (px: number, py: number, said: string, rest = ''): string =>
    `<text x="${at(px)}" y="${at(py)}" ${rest}>${said}</text>`;
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>`,
    text(LEFT, 22, title, 'font-size="14"'),
  ];
  for (const rate of [1e-4, 1e-3, 1e-2, 1e-1, 1]) {
    parts.push(
      `<line x1="${at(x(rate))}" y1="${TOP}" x2="${at(x(rate))}" y2="${HEIGHT - BOTTOM}" stroke="${rate === 1e-2 ? '#999999' : '#e4e4e4'}"/>`,
      text(x(rate), HEIGHT - BOTTOM + 18, `${rate * 100} %`, 'text-anchor="middle"'),
    );
  }
  for (const rate of [0, 0.25, 0.5, 0.75, 0.9, 1]) {
    parts.push(
      `<line x1="${LEFT}" y1="${at(y(rate))}" x2="${WIDTH - RIGHT}" y2="${at(y(rate))}" stroke="#e4e4e4"/>`,
      text(LEFT - 6, y(rate) + 4, `${rate * 100} %`, 'text-anchor="end"'),
    );
  }
  parts.push(
    text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 22, 'benign refused', 'text-anchor="middle"'),
    text(14, TOP - 12, 'malicious refused'),
  );
  curves.forEach((curve, number) => {
    const colour = COLOURS[number % COLOURS.length];
    const path = curve.points.map(
      ([fp, tp], i) => `${i === 0 ? 'M' : 'L'}${at(x(fp))} ${at(y(tp))}`,
    );
    parts.push(`<path d="${path.join(' ')}" fill="none" stroke="${colour}" stroke-width="2"/>`);
    parts.push(
      text(WIDTH - 200, HEIGHT - BOTTOM - 90 + number * 16, curve.name, `fill="${colour}"`),
    );
  });
  parts.push('</svg>', '');
  return parts.join('\n');
}

export function curvesAsCsv(curves: readonly Curve[]): string {
  const lines = curves.flatMap(({ name, points }) =>
    points.map(([fp, tp]) => `${name},${fp.toFixed(5)},${tp.toFixed(5)}`),
  );
  return `curve,benign_refused,malicious_refused\n${lines.join('\n')}\n`;
}

export function curveOf(
  name: string,
  scored: readonly {
    readonly score: number;
    readonly malicious: boolean;
    readonly weight: number;
  }[],
): Curve {
  const sorted = scored.toSorted((a, b) => b.score - a.score);
  const total = (malicious: boolean): number =>
    sorted.reduce((sum, one) => sum + (one.malicious === malicious ? one.weight : 0), 0);
  const [bad, good] = [total(true), total(false)];
  const points: [number, number][] = [[LEAST, 0]];
  let [tp, fp] = [0, 0];
  sorted.forEach((one, index) => {
    if (one.malicious) tp += one.weight;
    else fp += one.weight;
    if (sorted[index + 1]?.score === one.score) return;
    const point: [number, number] = [fp / good, tp / bad];
    const last = points.at(-1) as [number, number];
    const isFar = Math.abs(x(point[0]) - x(last[0])) > 2 || Math.abs(y(point[1]) - y(last[1])) > 1;
    if (isFar || index === sorted.length - 1) points.push(point);
  });
  return { name, points };
}
