/** The page around the cards: this node, what stands in the way, and who did what. */

import type { FilterView } from "../lib/filters/merge";
import type { AuditRecord } from "../lib/filters/types";
import { ago, auditText, compact } from "../lib/filters/words";
import { clockTime, count, elapsed } from "../lib/format";
import { byId, setText } from "../ui/dom";
import { h, patchChildren } from "../ui/patch";
import { card, type Context } from "./card";
import type { Model } from "./model";

/** Figures older than this are said to be old. */
const STALE_MS = 6000;
/** Audit records that are listed. */
const AUDIT_SHOWN = 50;

const COMMANDS = [
  "weirctl filter new greeter --hook http",
  "cd greeter && weirctl filter push --activate",
] as const;

export function draw(context: Context): void {
  const { model } = context;
  const views = model.views;
  setText(byId("summary", HTMLElement), summary(model, views));
  patchChildren(byId("facts", HTMLElement), facts(context));
  patchChildren(byId("notices", HTMLElement), notices(context));
  const cards: Node[] = views.map((view) => card(view, context));
  patchChildren(byId("cards", HTMLElement), cards.length === 0 ? empty(model) : cards);
  byId("audit", HTMLElement).hidden = model.registry !== "ok";
  const records = [...model.audit].reverse().slice(0, AUDIT_SHOWN);
  patchChildren(byId("audit-list", HTMLElement), records.map((record) => auditLine(record, context)));
}

function summary(model: Model, views: readonly FilterView[]): string {
  const { edge } = model;
  const filters = model.freshAtMs === 0 ? "" : count(views.length, "filter");
  return [edge === null ? "" : `on ${edge.node}`, filters].filter((part) => part !== "").join(" · ");
}

function facts({ model, nowMs }: Context): Node[] {
  const { edge, host } = model;
  const fact = (name: string, value: string, tone = ""): HTMLElement =>
    h("div", { "data-key": name }, h("dt", {}, name), h("dd", { class: tone }, value));
  const all: HTMLElement[] = [];
  if (edge !== null) {
    const agent = edge.agent;
    const follows = agent === null ? "no" : !agent.connected ? "away" : agent.settled ? "in step" : "catching up";
    const generation = agent !== null && agent.generation > 0 ? `, generation ${agent.generation}` : "";
    all.push(fact("Registry", `${follows}${generation}`, follows === "away" ? "bad" : ""));
    all.push(fact("Node", edge.draining ? "draining" : edge.ready ? `ready, up ${elapsed(edge.startedMs, nowMs).replace("just now", "0 min")}` : "not ready", edge.ready ? "" : "bad"));
  }
  if (host !== null) {
    all.push(fact("Grants kept", compact(host.grants)), fact("Denials kept", compact(host.denials)));
    all.push(fact("Answers kept", compact(host.answers)), fact("Being asked", compact(host.asking)));
    all.push(fact("Revocations", compact(host.revocations)), fact("Instances", host.pooling ? "pooled" : "no pool"));
  }
  return all;
}

function notices({ model, nowMs }: Context): Node[] {
  const all: HTMLElement[] = [];
  const notice = (key: string, tone: string, ...children: (Node | string)[]): void => {
    all.push(h("p", { class: `notice ${tone}`, "data-key": key }, ...children));
  };
  const button = (action: string, text: string): HTMLElement =>
    h("button", { class: "text-button", type: "button", "data-action": action }, text);
  if (model.edgeProblem !== "") {
    const old = model.freshAtMs > 0 && nowMs - model.freshAtMs > STALE_MS ? ` What you see is from ${ago(model.freshAtMs, nowMs)}.` : "";
    notice("edge", "", `This edge gives no figures: ${model.edgeProblem}.${old}`);
  }
  const agent = model.edge?.agent ?? null;
  if (agent !== null && !agent.connected) {
    const why = agent.problem === null ? "" : `: ${agent.problem}`;
    notice("agent", "", `This node does not reach its registry${why}. It goes on with what it has; a rollback on this node alone is still possible.`);
  }
  switch (model.registry) {
    case "no-token":
      notice("registry", "calm", "You see this node's own figures. Authors, other nodes and changes need a token of the registry with the role operator. ", button("tokens", "Enter it"));
      break;
    case "unknown-token":
      notice("registry", "", "The registry does not know this token (401). ", button("tokens", "Enter another"));
      break;
    case "wrong-role":
      notice("registry", "", `This token may not do that (403): ${model.registryProblem}. `, button("tokens", "Enter another"));
      break;
    case "absent":
      notice("registry", "", `There is no registry behind this edge: ${model.registryProblem}.`);
      break;
    case "unreachable":
      notice("registry", "", `No answer from the registry: ${model.registryProblem}. Trying again.`);
      break;
    default:
      break;
  }
  return all;
}

function empty(model: Model): Node[] {
  if (model.freshAtMs === 0) {
    return model.edgeProblem === "" ? [h("p", { class: "muted" }, "Asking this edge…")] : [];
  }
  if (!model.runsFilters) {
    return [
      h("section", { class: "placeholder panel" }, h("h2", {}, "This edge runs no filters"), h("p", { class: "muted" }, "Set enabled = true in the section [filters] of its configuration, with the address of the registry, and restart it.")),
    ];
  }
  return [
    h(
      "section",
      { class: "placeholder panel" },
      h("h2", {}, "No filter is here yet"),
      h("p", { class: "muted" }, "Write one and push it, and it shows up here within two seconds:"),
      h("pre", { class: "commands", tabindex: 0 }, COMMANDS.join("\n")),
      h("p", { class: "muted" }, "Or push one that ships with Weir:"),
      h("pre", { class: "commands", tabindex: 0 }, "weirctl filter push --component target/filters/auth.wasm \\\n    --manifest target/filters/auth.toml --activate"),
    ),
  ];
}

function auditLine(record: AuditRecord, { nowMs }: Context): HTMLElement {
  const { filter, what, detail, tone } = auditText(record);
  return h(
    "li",
    { "data-key": record.seq, class: `audit-line tone-${tone}` },
    h("time", { title: ago(record.atMs, nowMs) }, clockTime(record.atMs, nowMs, "en-GB")),
    h("span", { class: "audit-who", title: record.peer }, record.actor),
    h("span", {}, filter === null ? null : h("b", {}, `${filter} `), what, detail === "" ? null : h("span", { class: "muted" }, ` · ${detail}`)),
  );
}
