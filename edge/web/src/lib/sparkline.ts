/** A short history of one number, and the line that draws it. Pure. */

/** The last `capacity` values; null marks a moment without one. */
export class Series {
  readonly #values: (number | null)[] = [];
  readonly #capacity: number;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  push(value: number | null): void {
    this.#values.push(value !== null && Number.isFinite(value) ? value : null);
    if (this.#values.length > this.#capacity) {
      this.#values.shift();
    }
  }

  get values(): readonly (number | null)[] {
    return this.#values;
  }

  get capacity(): number {
    return this.#capacity;
  }
}

export interface SparklineBox {
  readonly width: number;
  readonly height: number;
  /** The value drawn at the bottom is 0; at the top at least this. */
  readonly topMin: number;
}

/** The value at the top of the box. */
export function sparklineTop(series: Series, topMin: number): number {
  let top = topMin;
  for (const value of series.values) {
    // A quarter of room above the highest value: a line along the border looks cut off.
    top = Math.max(top, (value ?? 0) * 1.25);
  }
  return top;
}

/** SVG path data, newest value at the right edge; a gap where there was no value. */
export function sparklinePath(series: Series, box: SparklineBox): string {
  const top = sparklineTop(series, box.topMin);
  const step = box.width / Math.max(1, series.capacity - 1);
  const offset = series.capacity - series.values.length;
  let pen = "M";
  const commands: string[] = [];
  series.values.forEach((value, index) => {
    if (value === null) {
      pen = "M";
      return;
    }
    const x = (offset + index) * step;
    const y = box.height - (Math.max(0, value) / top) * box.height;
    commands.push(`${pen}${round(x)} ${round(y)}`);
    pen = "L";
  });
  return commands.join("");
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
