/** Figures and events about filters as text. Pure. */

import { number, record, text } from "./parse";
import type { AuditRecord } from "./types";

const DASH = "–";

/** `0`, `842`, `12.3k`, `4.1M`. */
export function compact(value: number): string {
  if (value < 10_000) {
    return String(Math.round(value));
  }
  const [scaled, unit] = value < 999_500 ? [value / 1000, "k"] : value < 999_500_000 ? [value / 1e6, "M"] : [value / 1e9, "G"];
  return `${scaled < 99.95 ? scaled.toFixed(1) : Math.round(scaled)}${unit}`;
}

/** Calls a second: `0`, `0.4`, `12`, `1200`. */
export function rate(value: number | null): string {
  if (value === null || !Number.isFinite(value)) {
    return DASH;
  }
  if (value === 0) {
    return "0";
  }
  if (value < 0.05) {
    return "<0.1";
  }
  return value < 9.95 ? value.toFixed(1) : compact(value);
}

/** Microseconds as `850 µs`, `1.2 ms`, `1.4 s`; a dash when nothing was measured. */
export function duration(us: number, measured = true): string {
  if (!measured) {
    return DASH;
  }
  if (us < 1000) {
    return `${Math.round(us)} µs`;
  }
  const ms = us / 1000;
  if (ms < 1000) {
    return `${ms < 9.95 ? ms.toFixed(1) : Math.round(ms)} ms`;
  }
  return `${(ms / 1000).toFixed(1)} s`;
}

/** `640 KiB`, `1.4 MiB`. */
export function bytes(value: number): string {
  if (value < 1024) {
    return `${value} B`;
  }
  const kib = value / 1024;
  if (kib < 1000) {
    return `${Math.round(kib)} KiB`;
  }
  const mib = kib / 1024;
  return `${mib < 9.95 ? mib.toFixed(1) : Math.round(mib)} MiB`;
}

/** A share of a whole: `0 %`, `<0.1 %`, `2.5 %`, `34 %`; all but a few is not `100 %`. */
export function share(part: number, whole: number): string {
  if (whole <= 0) {
    return DASH;
  }
  const percent = (part / whole) * 100;
  if (percent === 0) {
    return "0 %";
  }
  if (percent < 0.1) {
    return "<0.1 %";
  }
  if (percent >= 99.5 && part < whole) {
    return percent < 99.9 ? `${percent.toFixed(1)} %` : ">99.9 %";
  }
  return percent < 9.95 && percent !== Math.round(percent) ? `${percent.toFixed(1)} %` : `${Math.round(percent)} %`;
}

/** How long ago: `now`, `12 s ago`, `5 min ago`, `3 h ago`, `2 days ago`. */
export function ago(atMs: number, nowMs: number): string {
  const seconds = Math.floor((nowMs - atMs) / 1000);
  if (atMs <= 0) {
    return DASH;
  }
  if (seconds < 5) {
    return "now";
  }
  if (seconds < 60) {
    return `${seconds} s ago`;
  }
  if (seconds < 3600) {
    return `${Math.floor(seconds / 60)} min ago`;
  }
  if (seconds < 48 * 3600) {
    return `${Math.floor(seconds / 3600)} h ago`;
  }
  return `${Math.floor(seconds / 86_400)} days ago`;
}

/** The beginning of an id, as people tell them apart. */
export function shortId(id: string): string {
  return id.slice(0, 8);
}

/** `shadow_drop` as `shadow drop`. */
export function spaced(name: string): string {
  return name.replaceAll("_", " ");
}

export type Tone = "good" | "bad" | "warn" | "plain";

export interface AuditText {
  readonly filter: string | null;
  readonly what: string;
  readonly detail: string;
  readonly tone: Tone;
}

/** What an audit record says, in words. An action that this page does not know is shown by its name. */
export function auditText(entry: AuditRecord): AuditText {
  const { fields } = entry;
  const version = (key: string): string => (typeof fields[key] === "number" ? `v${number(fields[key])}` : "nothing");
  const filter = text(fields["filter"]) || null;
  const says = (what: string, tone: Tone = "plain", detail = ""): AuditText => ({ filter, what, detail, tone });
  switch (entry.action) {
    case "uploaded":
      return says(`uploaded a component of ${bytes(number(fields["size"]))}`, "plain", text(fields["component"]).slice(0, 12));
    case "pushed": {
      const key = text(fields["key_id"]);
      return says(`pushed ${version("number")}`, "plain", key === "" ? "" : `signed by ${key}`);
    }
    case "dropped":
      return says(`dropped ${version("number")} to make room`);
    case "activated": {
      const percent = number(fields["percent"]);
      const whom = percent === 100 ? "" : ` for ${percent} %`;
      const bake = number(fields["bake_ms"]);
      const before = typeof fields["before"] === "number" ? `before: ${version("before")}` : "";
      const judged = bake > 0 ? `judged for ${Math.round(bake / 1000)} s` : "not judged";
      return says(`activated ${version("number")}${whom}`, "good", [before, judged].filter((part) => part !== "").join(", "));
    }
    case "shadowed":
      return says(typeof fields["number"] === "number" ? `made ${version("number")} the shadow` : "ended the shadow");
    case "rolled-back": {
      const node = text(fields["node"]);
      const reason = text(fields["reason"]);
      const detail = [node === "" ? "" : `judged by ${node}`, reason].filter((part) => part !== "").join(": ");
      return says(`rolled back from ${version("from")} to ${version("to")}`, "warn", detail);
    }
    case "enabled-set":
      return fields["enabled"] === true ? says("switched on", "good") : says("switched off", "warn");
    case "revoked": {
      const value = text(fields["value"]);
      const hours = `for ${Math.round(number(fields["seconds"]))} s`;
      return says(`revoked ${text(fields["kind"]) === "all" ? "all grants" : `grants of ${text(fields["kind"])} ${value}`}`, "warn", hours);
    }
    case "rejected":
      return says(`${text(fields["node"])} refused ${version("number")}`, "bad", `${text(fields["stage"])}: ${text(fields["reason"])}`);
    default:
      return says(spaced(entry.action));
  }
}

/** What an error's body says (RFC 9457), or the status when it says nothing. */
export function problemText(status: number, body: unknown): string {
  const problem = record(body);
  const detail = problem === null ? "" : text(problem["detail"]) || text(problem["title"]);
  const told = detail === "" ? `the server answered ${status}` : detail;
  const parts = [told];
  const stage = problem === null ? "" : text(problem["stage"]);
  const reason = problem === null ? "" : text(problem["reason"]);
  if (stage !== "" && !told.includes(reason)) {
    parts.push(`${stage}: ${reason}`);
  }
  const changed = record(problem?.["changed"]);
  if (changed !== null && !told.includes(text(changed["what"]))) {
    parts.push(`${text(changed["by"])} was faster: ${text(changed["what"])}`);
  }
  return parts.join(". ");
}
