/** Where the bars, lines and labels of a bar chart stand. Pure; nothing is drawn here. */

export interface ChartBox {
  readonly width: number;
  readonly height: number;
  /** Room for the numbers at the left, and the dates below. */
  readonly left: number;
  readonly top: number;
  readonly bottom: number;
}

export interface Bar {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  /** The whole width that belongs to it, for a pointer. */
  readonly slotX: number;
  readonly slotWidth: number;
}

export interface Tick {
  readonly y: number;
  readonly value: number;
}

export interface Chart {
  readonly bars: readonly Bar[];
  readonly ticks: readonly Tick[];
  /** Which bars have their date below. */
  readonly labels: readonly { readonly x: number; readonly index: number; readonly anchor: "start" | "middle" | "end" }[];
}

/** A bar that is not zero is seen. */
const BAR_HEIGHT_MIN = 2;
/** Of a slot, but no more than some pixels: two bars do not become two walls. */
const BAR_SHARE = 0.72;
const BAR_WIDTH_MAX = 28;
/** What a date needs, with the space beside it. */
const LABEL_WIDTH = 64;
const TICKS_WANTED = 4;

/** The distance of the lines: 1, 2 or 5 times a power of ten, and whole. */
export function stepOf(max: number, wanted = TICKS_WANTED): number {
  const rough = Math.max(1, max) / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  const factor = [1, 2, 5, 10].find((known) => known * power >= rough) ?? 10;
  return Math.max(1, factor * power);
}

/** `values` from left to right; the line at the bottom is 0. */
export function barChart(values: readonly number[], box: ChartBox): Chart {
  const max = Math.max(0, ...values);
  const step = stepOf(max);
  const top = Math.max(step, Math.ceil(max / step) * step);
  const plotWidth = Math.max(0, box.width - box.left);
  const plotHeight = Math.max(0, box.height - box.top - box.bottom);
  const slot = values.length === 0 ? plotWidth : plotWidth / values.length;
  const width = Math.min(BAR_WIDTH_MAX, slot * BAR_SHARE);
  const bottom = box.top + plotHeight;
  const bars = values.map((value, index) => {
    const height = value <= 0 ? 0 : Math.max(BAR_HEIGHT_MIN, (value / top) * plotHeight);
    const slotX = box.left + index * slot;
    return { x: round(slotX + (slot - width) / 2), y: round(bottom - height), width: round(width), height: round(height), slotX: round(slotX), slotWidth: round(slot) };
  });
  const ticks: Tick[] = [];
  for (let value = 0; value <= top; value += step) {
    ticks.push({ value, y: round(bottom - (value / top) * plotHeight) });
  }
  return { bars, ticks, labels: labelsOf(values.length, slot, box) };
}

/** From the newest backwards, as many as there is room for. */
function labelsOf(count: number, slot: number, box: ChartBox): Chart["labels"] {
  if (count === 0 || slot <= 0) {
    return [];
  }
  const every = Math.max(1, Math.ceil(LABEL_WIDTH / slot));
  const labels: Chart["labels"][number][] = [];
  for (let index = count - 1; index >= 0; index -= every) {
    const middle = box.left + (index + 0.5) * slot;
    const anchor = middle + LABEL_WIDTH / 2 > box.width ? "end" : middle - LABEL_WIDTH / 2 < 0 ? "start" : "middle";
    const x = anchor === "end" ? box.left + (index + 1) * slot : anchor === "start" ? box.left + index * slot : middle;
    labels.unshift({ x: round(x), index, anchor });
  }
  return labels;
}

/** Which bar a pointer is over, also above and below it; null beside the plot. */
export function barAt(chart: Chart, x: number): number | null {
  const index = chart.bars.findIndex((bar) => x >= bar.slotX && x < bar.slotX + bar.slotWidth);
  return index < 0 ? null : index;
}

/** Where an arrow key leads; the first step is to the newest. */
export function barAfterKey(key: string, at: number | null, count: number): number | null {
  if (count === 0) {
    return null;
  }
  const to: Record<string, number> = {
    ArrowLeft: at === null ? count - 1 : Math.max(0, at - 1),
    ArrowRight: at === null ? count - 1 : Math.min(count - 1, at + 1),
    Home: 0,
    End: count - 1,
  };
  return to[key] ?? null;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
