/** The last lines that a filter logged on this node. */

import type { FilterView } from "../lib/filters/merge";
import { shortId } from "../lib/filters/words";
import type { LogLine } from "../lib/filters/types";
import { h } from "../ui/patch";
import type { Context } from "./card";

export function logSection(view: FilterView, { model, follows }: Context): HTMLElement | null {
  if (!view.onNode) {
    return null;
  }
  const log = model.logs.get(view.name);
  const names = new Map(view.versions.map((version) => [version.id, version.name]));
  const lines = log?.lines ?? [];
  const box = `follow-${view.name}`;
  const dropped = view.logLinesDropped;
  return h(
    "section",
    { class: "panel log-panel", "aria-label": `Log of ${view.name} on this node` },
    h(
      "div",
      { class: "panel-head" },
      h("h3", {}, "Log on this node"),
      h("label", { class: "check", for: box }, h("input", { id: box, type: "checkbox", "data-follow": view.name, checked: follows(view.name) }), "Follow"),
    ),
    log?.problem == null ? null : h("p", { class: "bad small" }, log.problem),
    lines.length === 0
      ? h("p", { class: "muted small" }, "It has logged nothing yet.")
      : h(
          "ol",
          { class: "log", role: "log", "aria-live": "off", "aria-label": `Lines of ${view.name}`, tabindex: 0, "data-log": view.name },
          ...lines.map((line) => logLine(line, names)),
        ),
    dropped > 0 ? h("p", { class: "muted small" }, `${dropped} lines were over the limit of a call and are lost.`) : null,
  );
}

function logLine(line: LogLine, names: ReadonlyMap<string, string>): HTMLElement {
  const at = new Date(line.atMs);
  const clock = Number.isNaN(at.getTime()) ? "" : `${at.toLocaleTimeString("en-GB")}.${String(at.getMilliseconds()).padStart(3, "0")}`;
  const who = `${names.get(line.version) ?? shortId(line.version)}${line.shadow ? " shadow" : ""}`;
  const source = line.source === "log" ? "" : `${line.source}: `;
  return h(
    "li",
    { class: `line level-${line.level}`, "data-key": line.number },
    h("time", {}, clock),
    h("span", { class: "level" }, line.level),
    h("span", { class: "who" }, who),
    h("span", { class: "message" }, `${source}${line.message}`, line.requestId === "" ? null : h("small", { class: "muted" }, ` ${line.requestId}`)),
  );
}
