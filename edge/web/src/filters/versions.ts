/** The versions of a filter: who pushed them, what they do here, and what they cost. */

import type { FilterView, VersionView } from "../lib/filters/merge";
import { ago, bytes, shortId } from "../lib/filters/words";
import { count } from "../lib/format";
import { h } from "../ui/patch";
import type { Context } from "./card";

/** Versions that are listed; the registry keeps twenty by default. */
const SHOWN_MAX = 20;

export function versionsSection(view: FilterView, context: Context): HTMLElement {
  const rows = view.versions.slice(0, SHOWN_MAX).map((version) => row(view, version, context));
  return h(
    "section",
    { class: "panel versions", "aria-label": `Versions of ${view.name}` },
    h("h3", {}, "Versions"),
    rows.length === 0
      ? h("p", { class: "muted" }, "None is known here.")
      : h("ul", { class: "version-list" }, ...rows),
  );
}

function row(view: FilterView, version: VersionView, context: Context): HTMLElement {
  const { registered, serving } = version;
  const facts: string[] = version.number === null ? [] : [shortId(version.id)];
  if (registered !== null) {
    facts.push(`pushed by ${registered.pushedBy} ${ago(registered.pushedAtMs, context.nowMs)}`, bytes(registered.size));
    facts.push(registered.keyId === null ? "not signed" : `signed by ${registered.keyId}`);
    const refused = registered.rejectedOn.size;
    facts.push(`ready on ${count(registered.readyOn.length, "node")}${refused > 0 ? `, refused on ${refused}` : ""}`);
  }
  const loaded = serving ?? version.shadowing;
  if (loaded !== null) {
    facts.push(`memory up to ${bytes(loaded.memoryBytesMax)}`, `${loaded.running} running, ${loaded.idle} idle`);
    facts.push(`breaker ${loaded.breaker}${loaded.disabled > 0 ? `, opened ${loaded.disabled}×` : ""}`);
  }
  const { wanted } = view;
  const canActivate = registered !== null && (wanted?.active?.id !== version.id || wanted.canary !== null);
  return h(
    "li",
    { class: "version", "data-key": version.id },
    h(
      "div",
      { class: "version-head" },
      h("b", { class: "version-name" }, version.name),
      version.label === "" ? null : h("span", { class: "version-label" }, version.label),
      ...version.roles.map((role) => h("span", { class: `role role-${role.replace(" ", "-")}` }, roleText(role, view))),
    ),
    h("p", { class: "muted small" }, facts.join(" · ")),
    canActivate
      ? h(
          "button",
          {
            class: "button quiet small-button",
            type: "button",
            "data-action": "activate",
            "data-filter": view.name,
            "data-version": version.id,
            "aria-label": `Activate ${version.name} of ${view.name}`,
          },
          "Activate…",
        )
      : null,
  );
}

function roleText(role: string, view: FilterView): string {
  return role === "canary" ? `canary ${view.canaryPercent ?? 0} %` : role;
}
