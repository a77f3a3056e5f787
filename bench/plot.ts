/** A bar chart as SVG: one bar for each contestant, logarithmic, since peers lie two orders of magnitude apart. */
import { round } from './report.ts';

export interface Bar {
  readonly label: string;
  readonly value: number;
  readonly ours: boolean;
}

const LEFT = 300;
const WIDTH = 860;
const ROW = 26;
const TOP = 64;
const COLOURS = { ours: '#1668c7', theirs: '#9aa3ad' } as const;

/** Sorted by value. Text takes the reader's own colour, so that it can be read on light and dark pages. */
export function renderBars(title: string, unit: string, bars: readonly Bar[]): string {
  const sorted = [...bars].sort((a, b) => a.value - b.value);
  const decades = [
    Math.floor(Math.log10(Math.min(...sorted.map(({ value }) => value)))),
    Math.ceil(Math.log10(Math.max(...sorted.map(({ value }) => value)))),
  ] as const;
  const scale = (value: number): number =>
    ((Math.log10(value) - decades[0]) / (decades[1] - decades[0])) * (WIDTH - LEFT - 90);
  const height = TOP + sorted.length * ROW + 16;
  const ticks = Array.from(
    { length: decades[1] - decades[0] + 1 },
    (_, i) => 10 ** (decades[0] + i),
  );
  const grid = ticks.map((tick) => {
    const x = (LEFT + scale(tick)).toFixed(1);
    return (
      `<line class="grid" x1="${x}" x2="${x}" y1="${TOP - 8}" y2="${height - 16}"/>` +
      `<text class="tick" x="${x}" y="${TOP - 14}" text-anchor="middle">${tick} ${unit}</text>`
    );
  });
  const rows = sorted.map(({ label, value, ours }, index) => {
    const y = TOP + index * ROW;
    const width = Math.max(1, scale(value)).toFixed(1);
    return (
      `<text x="${LEFT - 8}" y="${y + 14}" text-anchor="end">${escapeText(label)}</text>` +
      `<rect x="${LEFT}" y="${y + 2}" width="${width}" height="16" rx="2" fill="${ours ? COLOURS.ours : COLOURS.theirs}"/>` +
      `<text x="${(LEFT + Number(width) + 6).toFixed(1)}" y="${y + 14}">${round(value)}</text>`
    );
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${escapeText(title)}">
<style>
text { font: 13px system-ui, sans-serif; fill: #24292f }
.title { font-weight: 600; font-size: 15px }
.tick { font-size: 11px; opacity: 0.7 }
.grid { stroke: #9aa3ad; stroke-opacity: 0.35 }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } }
</style>
<text class="title" x="8" y="22">${escapeText(title)}</text>
${grid.join('\n')}
${rows.join('\n')}
</svg>
`;
}

function escapeText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}
