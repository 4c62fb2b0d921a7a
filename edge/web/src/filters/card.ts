/** One filter as a card: the line that is always there, and what opens below it. */

import type { FilterView, VersionView } from "../lib/filters/merge";
import { failuresOf } from "../lib/filters/history";
import type { LoadedVersion } from "../lib/filters/types";
import { ago, compact, duration, rate } from "../lib/filters/words";
import { h } from "../ui/patch";
import { compareSection } from "./compare";
import { logSection } from "./log";
import type { Model } from "./model";
import { nodesSection, shadowSection, troubleSection } from "./sections";
import { versionsSection } from "./versions";

/** What the views need beside the filter itself. */
export interface Context {
  readonly model: Model;
  readonly nowMs: number;
  /** Whether the log of a filter stays at its end. */
  readonly follows: (filter: string) => boolean;
}

export function card(view: FilterView, context: Context): HTMLElement {
  const { model } = context;
  const open = model.opened.has(view.name);
  const { active } = view;
  return h(
    "details",
    {
      class: "card",
      id: `filter-${view.name}`,
      "data-key": view.name,
      "data-filter": view.name,
      "data-active": active?.id ?? null,
      "data-active-name": active?.name ?? null,
      "data-active-label": active?.label ?? null,
      open,
    },
    summaryLine(view, context),
    open ? h("div", { class: "card-body" }, ...body(view, context)) : null,
  );
}

function summaryLine(view: FilterView, { model }: Context): HTMLElement {
  const serving = servingOf(view);
  const calls = model.history.total(view.name, serving, "callsPerSecond");
  const failures = model.history.total(view.name, serving, "failuresPerSecond");
  const busiest = serving.flatMap((version) => version.hooks).sort((a, b) => b.calls - a.calls)[0] ?? null;
  const failed = serving.flatMap((version) => version.hooks).reduce((sum, hook) => sum + failuresOf(hook), 0);
  return h(
    "summary",
    {},
    h("h2", { class: "card-name" }, view.name),
    h("span", { class: `badge tone-${view.state.tone}` }, view.state.text),
    h("span", { class: "hooks muted" }, view.hooks.join(" · ")),
    h(
      "span",
      { class: "card-versions" },
      versionChip("active", view.active),
      view.canary === null ? null : versionChip(`canary ${view.canaryPercent ?? 0} %`, view.canary),
      view.shadow === null ? null : versionChip("shadow", view.shadow),
      view.previous === null ? null : versionChip("before", view.previous),
    ),
    h(
      "span",
      { class: "figures" },
      figure(rate(calls), "calls/s"),
      figure(busiest === null ? "–" : duration(busiest.p99Us, busiest.calls > 0), "p99"),
      figure(failures !== null && failures > 0 ? `${rate(failures)}/s` : compact(failed), "failures", failed > 0),
    ),
  );
}

function figure(value: string, name: string, alarming = false): HTMLElement {
  return h("span", { class: alarming ? "figure bad" : "figure" }, h("b", {}, value), " ", h("small", {}, name));
}

function versionChip(role: string, version: VersionView | null): HTMLElement {
  const name = version === null ? "none" : version.label === "" ? version.name : `${version.name} (${version.label})`;
  return h("span", { class: "pair" }, h("small", { class: "muted" }, role), " ", h("b", {}, name));
}

function body(view: FilterView, context: Context): (Node | null)[] {
  return [
    outcome(view, context),
    actions(view, context),
    troubleSection(view, context),
    h(
      "div",
      { class: "columns" },
      h("div", { class: "column" }, versionsSection(view, context), shadowSection(view, context)),
      h("div", { class: "column" }, compareSection(view, context), nodesSection(view, context)),
    ),
    logSection(view, context),
  ];
}

function outcome(view: FilterView, { model }: Context): HTMLElement {
  const last = model.outcomes.get(view.name);
  // The element is always there: screen readers speak what changes in it, not that it came.
  const text = last === undefined ? [] : [h("p", { class: `outcome ${last.tone}` }, last.text)];
  return h("div", { class: "outcomes", role: "status", "aria-live": "polite" }, ...text);
}

function actions(view: FilterView, { model, nowMs }: Context): HTMLElement {
  const away = model.registry !== "ok";
  // Without a token a click asks for one; with one that does not work there is nothing to choose from.
  const mute = away && model.registry !== "no-token";
  const busy = model.outcomes.get(view.name)?.tone === "busy";
  const wanted = view.wanted ?? view;
  const button = (action: string, text: string, disabled = false): HTMLElement =>
    h("button", { class: "button quiet small-button", type: "button", "data-action": action, "data-filter": view.name, disabled: disabled || busy }, text);
  const { changed } = view;
  return h(
    "div",
    { class: "actions" },
    button("activate", "Activate…", mute),
    button("rollback", "Roll back…", mute || (wanted.canary ?? wanted.previous) === null),
    away && view.onNode ? button("rollback-here", "Roll back on this node only…", (view.canary ?? view.previous) === null) : null,
    button("shadow", wanted.shadow === null ? "Shadow…" : "End shadow…", mute),
    button("enabled", wanted.enabled ? "Switch off…" : "Switch on…", mute),
    changed === null ? null : h("p", { class: "muted small changed" }, `${changed.by} ${changed.what}, ${ago(changed.atMs, nowMs)}`),
  );
}

/** What answers here: the active version and the canary. */
export function servingOf(view: FilterView): readonly LoadedVersion[] {
  return [view.active?.serving ?? null, view.canary?.serving ?? null].filter((version) => version !== null);
}
