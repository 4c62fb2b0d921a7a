/** One figure over the last five minutes. */

import { type LineBox, linePath, scaleOf, yOf } from "../lib/health/lines";
import type { Row } from "../lib/health/parse";
import { makeSvg } from "../ui/dom";
import { h } from "../ui/patch";

/** Moments in a chart: what the origin keeps. */
const MOMENTS = 300;
const HEIGHT = 132;
/** Room for numbers such as `10000`. */
const LEFT = 44;

export interface Line {
  readonly name: string;
  readonly row: Row;
  /** What it is now, in words. */
  readonly now: string;
}

export interface ChartOptions {
  readonly id: string;
  readonly title: string;
  readonly unit: string;
  /** At least at the top. */
  readonly mostMin: number;
  readonly lines: readonly Line[];
  /** When its left and its right edge are, in words. */
  readonly times: readonly [string, string];
  /** Of the screen, so that text keeps its size. */
  readonly width: number;
}

export function chart({ id, title, unit, mostMin, lines, times, width }: ChartOptions): HTMLElement {
  const box: LineBox = { width: Math.max(220, Math.round(width)), height: HEIGHT, left: LEFT, top: 10, bottom: 22 };
  const scale = scaleOf(lines.map(({ row }) => row), mostMin);
  const grid = scale.ticks.map((tick) => {
    const y = yOf(tick, scale, box);
    return makeSvg(
      "g",
      { class: Math.abs(tick) < 1e-9 ? "grid base" : "grid" },
      makeSvg("line", { x1: String(LEFT), x2: String(box.width), y1: String(y), y2: String(y) }),
      label(LEFT - 8, y + 4, "end", tickText(tick)),
    );
  });
  const paths = lines.map(({ row }, index) => makeSvg("path", { class: `line line-${index}`, d: linePath(row, MOMENTS, scale, box) }));
  const edges = [label(LEFT, HEIGHT - 5, "start", times[0]), label(box.width, HEIGHT - 5, "end", times[1])];
  const attributes = {
    viewBox: `0 0 ${box.width} ${HEIGHT}`,
    width: String(box.width),
    height: String(HEIGHT),
    role: "img",
    "aria-label": `${title}: ${lines.map(({ name, now }) => `${name} ${now}`.trim()).join(", ")}`,
  };
  const known = lines.some(({ row }) => row.some((value) => value !== null));
  return h(
    "section",
    { class: "chart", id: `chart-${id}`, "data-key": id },
    h(
      "div",
      { class: "chart-head" },
      h("h3", {}, title, h("small", {}, unit)),
      h("ul", { class: "legend" }, ...lines.map(({ name, now }, index) => h("li", { class: `of-${index}` }, name === "" ? null : `${name} `, h("b", {}, now)))),
    ),
    known ? makeSvg("svg", attributes, ...grid, ...paths, ...edges) : h("p", { class: "muted none" }, "nothing measured yet"),
  );
}

function tickText(tick: number): string {
  return Math.abs(tick) >= 10 ? String(Math.round(tick)) : String(Math.round(tick * 100) / 100);
}

function label(x: number, y: number, anchor: string, words: string): SVGElement {
  const element = makeSvg("text", { x: String(x), y: String(y), "text-anchor": anchor });
  element.textContent = words;
  return element;
}
