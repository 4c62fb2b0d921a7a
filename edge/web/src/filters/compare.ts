/** Before and after: what serves beside what served before it, hook by hook. */

import { failuresOf, type HookHistory } from "../lib/filters/history";
import type { FilterView, VersionView } from "../lib/filters/merge";
import type { HookStatus } from "../lib/filters/types";
import { compact, duration, rate, share, spaced } from "../lib/filters/words";
import { h } from "../ui/patch";
import type { Context } from "./card";
import { bar, sparkline, verdicts } from "./charts";

interface Side {
  readonly title: string;
  readonly version: VersionView;
  readonly hook: HookStatus | null;
  readonly history: HookHistory | null;
}

export function compareSection(view: FilterView, context: Context): HTMLElement {
  const heading = h("h3", {}, "Before and after");
  const section = { class: "panel compare", "aria-label": `Figures of ${view.name}` };
  const newcomer = view.canary ?? view.active;
  if (newcomer === null || newcomer.serving === null) {
    const what = view.onNode ? "Nothing of this filter is loaded on this node." : "This node does not run this filter.";
    return h("section", section, heading, h("p", { class: "muted" }, what));
  }
  const before = view.canary === null ? view.previous : view.active;
  const hooks = newcomer.serving.hooks.map((hook) => hook.hook);
  const one = view.canary === null ? "active" : "canary";
  const other = view.canary === null ? "before" : "active";
  return h(
    "section",
    section,
    heading,
    h("p", { class: "muted small" }, "Times and verdicts of all calls since a version was loaded on this node; lines since this page was opened, five minutes at most."),
    ...hooks.map((hook) => {
      const sides = [side(one, newcomer, hook, view, context)];
      if (before?.serving != null) {
        sides.push(side(other, before, hook, view, context));
      }
      return comparison(hook, sides);
    }),
    before?.serving == null ? h("p", { class: "muted small" }, "No version before it is loaded here to compare with.") : null,
  );
}

function side(title: string, version: VersionView, hook: string, view: FilterView, { model }: Context): Side {
  const { serving } = version;
  return {
    title,
    version,
    hook: serving?.hooks.find((status) => status.hook === hook) ?? null,
    history: serving === null ? null : model.history.find(view.name, serving, hook),
  };
}

function comparison(hook: string, sides: readonly Side[]): HTMLElement {
  const slowest = Math.max(1, ...sides.map((side) => side.hook?.p99Us ?? 0));
  const [now, before] = sides;
  const line = (of: "calls" | "p99Us", title: string, topMin: number): HTMLElement =>
    h("figure", { class: "spark-figure" }, h("figcaption", { class: "muted small" }, title), sparkline(now?.history ?? null, before?.history ?? null, of, topMin));
  return h(
    "div",
    { class: "hook", "data-key": hook },
    h("h4", {}, hook),
    h("div", { class: "sides" }, ...sides.map((side, index) => figures(side, slowest, index === 0 ? "now" : "before"))),
    h("div", { class: "sparks" }, line("calls", "calls/s", 1), line("p99Us", "p99", 50)),
  );
}

function figures({ title, version, hook, history }: Side, slowest: number, tone: string): HTMLElement {
  const heading = h("p", { class: `side-title ${tone}` }, h("b", {}, version.name), ` ${title}`);
  if (hook === null) {
    return h("div", { class: "side" }, heading, h("p", { class: "muted small" }, "does not have this hook"));
  }
  const failures = failuresOf(hook);
  const kinds = Object.entries(hook.failures).map(([kind, count]) => `${spaced(kind)} ${compact(count)}`);
  const measured = hook.calls > 0;
  const time = (name: string, us: number): HTMLElement =>
    h("div", { class: "time" }, h("dt", {}, name), h("dd", {}, duration(us, measured)), h("dd", { class: "time-bar" }, bar(measured ? us / slowest : 0, tone)));
  return h(
    "div",
    { class: "side" },
    heading,
    h(
      "dl",
      { class: "side-figures" },
      time("p50", hook.p50Us),
      time("p99", hook.p99Us),
      pair("calls", `${rate(history?.callsPerSecond ?? null)}/s · ${compact(hook.calls)} in all`),
      hook.reused > 0 ? pair("reused", `${compact(hook.reused)} answers without a call`) : null,
      pair("failed", failures === 0 ? "none" : `${share(failures, Math.max(hook.calls, failures))} · ${kinds.join(", ")}`, failures > 0),
    ),
    verdicts(hook.decisions, failures),
  );
}

function pair(name: string, value: string, alarming = false): HTMLElement {
  return h("div", {}, h("dt", {}, name), h("dd", { class: alarming ? "bad" : null }, value));
}
