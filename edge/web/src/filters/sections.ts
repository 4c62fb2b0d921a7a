/** What went wrong, how the shadow compares, and the nodes. */

import type { FilterView, NodeRow, VersionView } from "../lib/filters/merge";
import type { Difference, LastFailure } from "../lib/filters/types";
import { ago, compact, share } from "../lib/filters/words";
import { h } from "../ui/patch";
import type { Context } from "./card";
import { stacked } from "./charts";

/** Differences that are listed, the newest first. */
const DIFFERENCES_SHOWN = 10;
/** Nodes that are listed. */
const NODES_SHOWN = 100;

/** Null when all is well. */
export function troubleSection(view: FilterView, context: Context): HTMLElement | null {
  const items: HTMLElement[] = [];
  for (const version of view.versions) {
    const { serving } = version;
    if (serving !== null && serving.breaker !== "closed") {
      const what = serving.breaker === "open" ? "is not called: it failed too often. It is tried again in a while." : "failed too often, and is being tried again.";
      items.push(h("li", {}, h("b", {}, `Breaker ${serving.breaker}.`), ` ${version.name} ${what}`));
    }
  }
  for (const taken of view.takenBack) {
    const reason = taken.reason === "" ? "The log below may say why." : taken.reason;
    items.push(h("li", {}, h("b", {}, `${taken.version} was taken back by this node.`), ` ${reason}`));
  }
  for (const refusal of view.refusals) {
    items.push(h("li", {}, h("b", {}, `${refusal.node} refused ${refusal.version}`), ` at ${refusal.stage}: `, h("span", { class: "reason" }, refusal.reason)));
  }
  for (const version of view.versions) {
    for (const loaded of [version.serving, version.shadowing]) {
      if (loaded !== null && loaded.lastFailure !== null) {
        items.push(failure(version, loaded.shadow, loaded.lastFailure, context));
      }
    }
  }
  if (items.length === 0) {
    return null;
  }
  return h("section", { class: "panel trouble", "aria-label": `Trouble of ${view.name}` }, h("h3", {}, "Trouble"), h("ul", {}, ...items));
}

function failure(version: VersionView, shadow: boolean, last: LastFailure, { nowMs }: Context): HTMLElement {
  const head = [
    h("b", {}, `${version.name}${shadow ? " as shadow" : ""} failed last ${ago(last.atMs, nowMs)}`),
    ` in ${last.hook}, ${last.kind}: `,
    h("span", { class: "reason" }, last.message),
  ];
  const request = last.requestId === "" ? null : h("span", { class: "muted small" }, ` request ${last.requestId}`);
  const key = `${version.id}${shadow ? "-shadow" : ""}`;
  if (last.backtrace.length === 0) {
    return h("li", { "data-key": key }, ...head, request);
  }
  const trace = h("pre", { class: "trace", tabindex: 0 }, last.backtrace.join("\n"));
  return h("li", { "data-key": key }, ...head, request, h("details", { class: "fold" }, h("summary", {}, "Backtrace"), trace));
}

/** Null without a shadow. */
export function shadowSection(view: FilterView, context: Context): HTMLElement | null {
  const { shadow } = view;
  if (shadow === null) {
    return null;
  }
  const comparison = shadow.shadowing?.comparison ?? null;
  const section = { class: "panel shadow", "aria-label": `Shadow of ${view.name}` };
  const heading = h("h3", {}, `Shadow ${shadow.name}`);
  if (comparison === null) {
    return h("section", section, heading, h("p", { class: "muted" }, "It is not loaded on this node yet."));
  }
  const { equal, different, failed, skipped } = comparison;
  const whole = equal + different + failed;
  const item = (name: string, count: number, text: string): HTMLElement =>
    h("li", {}, h("span", { class: `swatch swatch-${name}`, "aria-hidden": "true" }), `${text} `, h("b", {}, compact(count)), whole > 0 && name !== "skipped" ? ` (${share(count, whole)})` : null);
  const newest = [...comparison.differences].reverse().slice(0, DIFFERENCES_SHOWN);
  return h(
    "section",
    section,
    heading,
    stacked([["equal", equal], ["different", different], ["failed", failed]]),
    h(
      "ul",
      { class: "legend" },
      item("equal", equal, "same answer"),
      item("different", different, "different"),
      item("failed", failed, "no answer"),
      skipped > 0 ? item("skipped", skipped, "left out, too many at once") : null,
    ),
    newest.length === 0
      ? h("p", { class: "muted small" }, whole === 0 ? "Nothing was compared yet." : "No difference so far.")
      : h("ol", { class: "differences" }, ...newest.map((difference) => differing(difference, context))),
  );
}

function differing(difference: Difference, { nowMs }: Context): HTMLElement {
  const answer = (who: string, text: string | null): HTMLElement =>
    h("div", { class: "answer" }, h("small", { class: "muted" }, who), text === null ? h("span", { class: "muted" }, "no answer") : h("code", {}, text));
  return h(
    "li",
    { "data-key": `${difference.atMs}-${difference.requestId}-${difference.hook}` },
    h("p", { class: "muted small" }, `${difference.hook} · ${difference.requestId} · ${ago(difference.atMs, nowMs)}`),
    answer("live", difference.live),
    answer("shadow", difference.shadow),
  );
}

/** Null without a registry that tells. */
export function nodesSection(view: FilterView, context: Context): HTMLElement | null {
  if (context.model.registry !== "ok") {
    return null;
  }
  const { nodes } = view;
  const more = nodes.length - NODES_SHOWN;
  const head = ["Node", "Runs", "State", "Calls", "Failed", "Seen"];
  return h(
    "section",
    { class: "panel nodes", "aria-label": `Nodes that run ${view.name}` },
    h("h3", {}, "Nodes"),
    nodes.length === 0
      ? h("p", { class: "muted" }, "No node has reported this filter yet.")
      : h(
          "div",
          { class: "scroll", tabindex: 0, role: "region", "aria-label": `Nodes of ${view.name}` },
          h(
            "table",
            {},
            h("thead", {}, h("tr", {}, ...head.map((title, index) => h("th", { scope: "col", class: index === 3 || index === 4 ? "number" : null }, title)))),
            h("tbody", {}, ...nodes.slice(0, NODES_SHOWN).map((node) => nodeLine(node, context))),
          ),
        ),
    more > 0 ? h("p", { class: "muted small" }, `and ${more} more: weirctl filter status`) : null,
  );
}

function nodeLine(node: NodeRow, { model }: Context): HTMLElement {
  // By the registry's own clock.
  const now = model.overview?.nowMs ?? 0;
  return h(
    "tr",
    { "data-key": node.node },
    h("th", { scope: "row", title: node.peer }, node.node, h("small", { class: "muted" }, node.here ? ` ${node.role}, this one` : ` ${node.role}`)),
    h("td", {}, node.active),
    h("td", {}, h("span", { class: `state tone-${node.tone}` }, node.state)),
    h("td", { class: "number" }, node.calls === null ? "–" : compact(node.calls)),
    h("td", { class: node.failures !== null && node.failures > 0 ? "number bad" : "number" }, node.failures === null ? "–" : compact(node.failures)),
    h("td", {}, ago(node.seenMs, now)),
  );
}
