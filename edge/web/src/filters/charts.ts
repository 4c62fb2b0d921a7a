/** Small drawings. What they show also stands beside them as text, so they are hidden from screen readers. */

import type { HookHistory } from "../lib/filters/history";
import { share, spaced } from "../lib/filters/words";
import type { Counts } from "../lib/filters/types";
import { Series, sparklinePath, sparklineTop } from "../lib/sparkline";
import { makeSvg } from "../ui/dom";
import { h } from "../ui/patch";

const BOX = { width: 240, height: 44 } as const;
/** A line of fewer samples than this does not fill the width: it would promise more than is known. */
const SAMPLES_MIN = 20;

/** A line of one version over that of another, newest at the right edge, with a common scale. */
export function sparkline(now: HookHistory | null, before: HookHistory | null, of: "calls" | "p99Us", topMin: number): SVGElement {
  const lines = [before, now].map((history) => history?.[of].values ?? []);
  const width = Math.max(SAMPLES_MIN, ...lines.map((values) => values.length));
  const series = lines.map((values) => {
    const line = new Series(width);
    values.forEach((value) => line.push(value));
    return line;
  });
  const box = { ...BOX, topMin: Math.max(...series.map((line) => sparklineTop(line, topMin))) };
  const paths = series.map((line, index) => makeSvg("path", { class: index === 0 ? "before" : "now", d: sparklinePath(line, box) }));
  const viewBox = `0 -1 ${BOX.width} ${BOX.height + 2}`;
  return makeSvg("svg", { class: "spark", viewBox, preserveAspectRatio: "none", "aria-hidden": "true" }, ...paths);
}

/** One bar of a length of 0 to 1. */
export function bar(part: number, tone: string): SVGElement {
  const width = (Math.min(1, Math.max(0, part)) * 100).toFixed(1);
  return makeSvg(
    "svg",
    { class: "bar-chart", viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true" },
    makeSvg("rect", { class: "track", width: "100", height: "8" }),
    makeSvg("rect", { class: tone, width, height: "8" }),
  );
}

/** Shares of a whole as one bar. */
export function stacked(parts: readonly (readonly [string, number])[]): SVGElement {
  const whole = parts.reduce((sum, [, count]) => sum + count, 0);
  const rects: SVGElement[] = [makeSvg("rect", { class: "track", width: "100", height: "8" })];
  let x = 0;
  for (const [name, count] of parts) {
    const width = whole === 0 ? 0 : (count / whole) * 100;
    rects.push(makeSvg("rect", { class: `part part-${name}`, x: x.toFixed(2), width: width.toFixed(2), height: "8" }));
    x += width;
  }
  return makeSvg("svg", { class: "bar-chart", viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true" }, ...rects);
}

/** What was decided, and how often it failed, as a bar and in words. */
export function verdicts(decisions: Counts, failures: number): HTMLElement {
  const parts: (readonly [string, number])[] = Object.entries(decisions).sort(([, a], [, b]) => b - a);
  if (failures > 0) {
    parts.push(["failed", failures]);
  }
  const whole = parts.reduce((sum, [, count]) => sum + count, 0);
  if (whole === 0) {
    return h("div", { class: "verdicts muted" }, "no calls yet");
  }
  const legend = parts.map(([name, count]) => h("li", {}, dot(name), `${spaced(name)} `, h("b", {}, share(count, whole))));
  return h("div", { class: "verdicts" }, stacked(parts), h("ul", { class: "legend" }, ...legend));
}

function dot(name: string): SVGElement {
  return makeSvg("svg", { class: "dot", viewBox: "0 0 8 8", "aria-hidden": "true" }, makeSvg("circle", { class: `part-${name}`, cx: "4", cy: "4", r: "4" }));
}
