/** Where the lines of a chart run, and what stands at its edge. Pure. */

import type { Row } from "./parse";

export interface LineBox {
  readonly width: number;
  readonly height: number;
  /** Room for numbers. */
  readonly left: number;
  readonly top: number;
  readonly bottom: number;
}

export interface Scale {
  readonly least: number;
  readonly most: number;
  readonly ticks: readonly number[];
}

/** Round numbers around all values, 0 always among them; `mostMin` is at least at the top. */
export function scaleOf(rows: readonly Row[], mostMin: number): Scale {
  let [least, most] = [0, mostMin];
  for (const value of rows.flat()) {
    if (value !== null) {
      [least, most] = [Math.min(least, value), Math.max(most, value)];
    }
  }
  const step = roundStep((most - least) / 3);
  [least, most] = [Math.floor(least / step + 1e-9) * step + 0, Math.ceil(most / step - 1e-9) * step];
  const ticks = Array.from({ length: Math.round((most - least) / step) + 1 }, (_, index) => least + index * step);
  return { least, most, ticks };
}

/** 1, 2 or 5 times a power of ten, at least `step`. */
function roundStep(step: number): number {
  const power = 10 ** Math.floor(Math.log10(step));
  return (([1, 2, 5].find((factor) => factor * power >= step * 0.999) ?? 10) * power);
}

/** How far down a value stands. */
export function yOf(value: number, scale: Scale, box: LineBox): number {
  const height = box.height - box.top - box.bottom;
  return round(box.top + height * (1 - (value - scale.least) / (scale.most - scale.least)));
}

/** SVG path data: `count` moments fill the width, the newest is at the right edge; a gap where nothing is known. */
export function linePath(row: Row, count: number, scale: Scale, box: LineBox): string {
  const step = (box.width - box.left) / Math.max(1, count - 1);
  const first = count - row.length;
  let pen = "M";
  let path = "";
  row.forEach((value, index) => {
    if (value === null) {
      pen = "M";
      return;
    }
    path += `${pen}${round(box.left + (first + index) * step)} ${yOf(value, scale, box)}`;
    pen = "L";
  });
  return path;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
