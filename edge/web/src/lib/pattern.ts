/** A picture for a stream without one: water over a weir, drawn from the stream's name. Pure. */

export interface Pattern {
  /** One of the page's hues, 0 to `HUES_COUNT` - 1. */
  readonly hue: number;
  /** SVG path data of the water lines in a 320 x 180 box, from top to bottom. */
  readonly lines: readonly string[];
}

export const HUES_COUNT = 6;
const LINES_COUNT = 9;

/** The same name gives the same picture. */
export function patternOf(name: string): Pattern {
  let state = hash(name);
  const next = (): number => {
    // xorshift32: enough to look irregular.
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state / 2 ** 32;
  };
  const hue = Math.floor(next() * HUES_COUNT);
  const crest = 80 + next() * 90;
  const fall = 36 + next() * 22;
  const lines: string[] = [];
  for (let index = 0; index < LINES_COUNT; index += 1) {
    const y = 26 + index * 11 + next() * 3;
    const start = crest + index * 7 + next() * 10;
    const end = start + 46 + next() * 26;
    const low = y + fall;
    const ripple = 3 + next() * 4;
    lines.push(
      `M-4 ${fixed(y)}H${fixed(start)}C${fixed(start + 26)} ${fixed(y)} ${fixed(end - 26)} ${fixed(low)} ${fixed(end)} ${fixed(low)}` +
        `q20 ${fixed(-ripple)} 40 0t40 0t40 0t40 0t40 0t40 0`,
    );
  }
  return { hue, lines };
}

/** FNV-1a over UTF-16 units, never 0 (xorshift would stay there). */
function hash(text: string): number {
  let h = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    h = Math.imul(h ^ text.charCodeAt(index), 0x01000193);
  }
  return h >>> 0 || 1;
}

function fixed(value: number): string {
  return value.toFixed(1);
}
