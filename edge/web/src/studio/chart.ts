/** The bars of what a room earned each day, and the same as a table. */

import { formatNumber, locale, t } from "../i18n";
import { barChart, type ChartBox } from "../lib/money/chart";
import type { EarningsDay } from "../lib/money/types";
import { dayText } from "../lib/money/words";
import { makeSvg } from "../ui/dom";
import { h } from "../ui/patch";

const HEIGHT = 190;
/** Room for numbers such as `12.5K`. */
const LEFT = 46;

/** `width` in pixels of the screen, so that text keeps its size. */
export function chartBox(width: number): ChartBox {
  return { width: Math.max(200, Math.round(width)), height: HEIGHT, left: LEFT, top: 10, bottom: 24 };
}

/** `chosen` is the day that is read out, or null. */
export function chartView(days: readonly EarningsDay[], chosen: number | null, width: number): Element {
  const box = chartBox(width);
  const { bars, ticks, labels } = barChart(days.map(({ diamonds }) => diamonds), box);
  const lines = ticks.map(({ y, value }) =>
    makeSvg(
      "g",
      { class: value === 0 ? "chart-line base" : "chart-line" },
      makeSvg("line", { x1: String(box.left), x2: String(box.width), y1: String(y), y2: String(y) }),
      text(box.left - 8, y + 4, "end", formatNumber(value, true)),
    ),
  );
  const columns = bars.map((bar, index) => {
    const { x, y, width: barWidth, height } = bar;
    const shape = makeSvg("rect", { class: "chart-bar", x: String(x), y: String(y), width: String(barWidth), height: String(height), rx: String(Math.min(3, height / 2)) });
    const slot = makeSvg("rect", { class: "chart-slot", x: String(bar.slotX), y: String(box.top), width: String(bar.slotWidth), height: String(box.height - box.top - box.bottom) });
    return makeSvg("g", { class: index === chosen ? "chart-day chosen" : "chart-day" }, slot, shape);
  });
  const dates = labels.map(({ x, index, anchor }) => text(x, box.height - 6, anchor, dayText(days[index]?.day ?? "", locale())));
  const attributes = {
    class: "chart",
    role: "img",
    tabindex: "0",
    viewBox: `0 0 ${box.width} ${box.height}`,
    width: String(box.width),
    height: String(box.height),
    "aria-label": t("earn.chart", { n: days.length }),
  };
  return makeSvg("svg", attributes, makeSvg("g", {}, ...lines), makeSvg("g", {}, ...columns), makeSvg("g", { class: "chart-dates" }, ...dates));
}

function text(x: number, y: number, anchor: string, words: string): SVGElement {
  const element = makeSvg("text", { x: String(x), y: String(y), "text-anchor": anchor });
  element.textContent = words;
  return element;
}

/** What the chosen day brought, or all of them together. */
export function readout(days: readonly EarningsDay[], chosen: number | null): HTMLElement {
  const day = chosen === null ? undefined : days[chosen];
  const sum = (of: (day: EarningsDay) => number): number => (day === undefined ? days.reduce((all, each) => all + of(each), 0) : of(day));
  const name = day === undefined ? t("earn.lastDays", { n: days.length }) : dayText(day.day, locale(), true);
  return h(
    "p",
    { class: "readout", "aria-live": "polite" },
    h("b", {}, name),
    h("span", {}, t("earn.nGifts", { n: sum(({ gifts }) => gifts) })),
    h("span", {}, t("earn.nCoins", { n: sum(({ coins }) => coins) })),
    h("span", { class: "diamonds" }, t("earn.nDiamonds", { n: sum(({ diamonds }) => diamonds) })),
  );
}

/** The newest day first. */
export function dayTable(days: readonly EarningsDay[]): HTMLElement {
  const head = [t("earn.day"), t("earn.gifts"), t("earn.coins"), t("earn.diamonds")].map((name) => h("th", { scope: "col" }, name));
  const rows = [...days].reverse().map(({ day, gifts, coins, diamonds }) =>
    h(
      "tr",
      { "data-key": day },
      h("th", { scope: "row" }, dayText(day, locale(), true)),
      ...[gifts, coins, diamonds].map((value) => h("td", {}, formatNumber(value))),
    ),
  );
  return h(
    "details",
    { class: "chart-table" },
    h("summary", {}, t("earn.table")),
    h("div", { class: "chart-scroll", tabindex: 0, role: "group", "aria-label": t("earn.table") }, h("table", {}, h("thead", {}, h("tr", {}, ...head)), h("tbody", {}, ...rows))),
  );
}
