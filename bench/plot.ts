export interface Line {
  label: string;
  color: string;
  points: readonly (readonly [x: number, y: number])[];
}

const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [720, 360, 70, 20, 40, 50];

/** Lines over two axes from zero, as an SVG that browsers and GitHub show. */
export function plot(title: string, xLabel: string, yLabel: string, lines: readonly Line[]): string {
  const points = lines.flatMap((line) => line.points);
  const [maxX, maxY] = [roundUp(Math.max(...points.map(([x]) => x))), roundUp(Math.max(...points.map(([, y]) => y)))];
  const x = (value: number) => LEFT + (value / maxX) * (WIDTH - LEFT - RIGHT);
  const y = (value: number) => HEIGHT - BOTTOM - (value / maxY) * (HEIGHT - TOP - BOTTOM);
  const ticks = [0, 0.25, 0.5, 0.75, 1];
  const parts = [
    `<text x="${LEFT}" y="20" font-weight="bold">${title}</text>`,
    ...ticks.map((t) => `<path d="M${LEFT} ${y(t * maxY)}H${WIDTH - RIGHT}" stroke="#ddd"/>`),
    ...ticks.map((t) => `<text x="${LEFT - 8}" y="${y(t * maxY) + 4}" text-anchor="end">${short(t * maxY)}</text>`),
    ...ticks.map((t) => `<text x="${x(t * maxX)}" y="${HEIGHT - 30}" text-anchor="middle">${short(t * maxX)}</text>`),
    `<text x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - 10}" text-anchor="middle">${xLabel}</text>`,
    `<text transform="translate(16 ${HEIGHT / 2}) rotate(-90)" text-anchor="middle">${yLabel}</text>`,
    ...lines.map(({ color, points: p }) => {
      const path = p.map(([px, py]) => `${x(px).toFixed(1)} ${y(py).toFixed(1)}`).join('L');
      return `<path d="M${path}" fill="none" stroke="${color}" stroke-width="2"/>`;
    }),
    ...lines.map(
      ({ label, color }, i) =>
        `<text x="${WIDTH - RIGHT}" y="${20 + i * 16}" text-anchor="end" fill="${color}">${label}</text>`,
    ),
  ];
  const head = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">`;
  return `${head}\n<title>${title}</title>\n<rect width="100%" height="100%" fill="white"/>\n${parts.join('\n')}\n</svg>\n`;
}

/** To one or two digits, so that the axis ends at a number that reads well. */
function roundUp(value: number): number {
  const unit = 10 ** Math.floor(Math.log10(Math.max(value, 1e-9)));
  return Math.ceil((value / unit) * 2) * (unit / 2);
}

const short = (value: number) => String(Number(value.toPrecision(3)));
