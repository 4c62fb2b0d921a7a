/**
 * One view of each filter, out of what this node runs and what the registry knows.
 *
 * The node is the authority on what runs here, the registry on what is wanted, on numbers, authors and other nodes. Either
 * may be missing.
 */

import { number, text } from "./parse";
import type {
  Agent, AuditRecord, Changed, EdgeStatus, FilterReport, HostStatus, LoadedVersion, NodeFilter, NodeOverview, Overview,
  RegisteredFilter, RegisteredVersion, Rejection,
} from "./types";
import { shortId, spaced, type Tone } from "./words";

/** What a version does on this node. `wanted`: the registry wants it active, and it is not. */
export type Role = "active" | "canary" | "shadow" | "previous" | "judged" | "taken back" | "wanted";

export interface VersionView {
  readonly id: string;
  /** `v3`, or the beginning of the id when the registry does not say the number. */
  readonly name: string;
  readonly number: number | null;
  readonly label: string;
  readonly roles: readonly Role[];
  readonly registered: RegisteredVersion | null;
  /** Loaded for service here. */
  readonly serving: LoadedVersion | null;
  /** Loaded as a shadow here: it counts for itself. */
  readonly shadowing: LoadedVersion | null;
}

export interface NodeRow {
  readonly node: string;
  readonly role: string;
  readonly peer: string | null;
  readonly seenMs: number;
  readonly active: string;
  readonly state: string;
  readonly tone: Tone;
  readonly calls: number | null;
  readonly failures: number | null;
  readonly here: boolean;
}

export interface Refusal extends Rejection {
  readonly version: string;
  readonly node: string;
}

export interface TakenBack {
  readonly version: string;
  readonly reason: string;
}

export interface Wanted {
  readonly enabled: boolean;
  readonly active: VersionView | null;
  readonly previous: VersionView | null;
  readonly canary: VersionView | null;
  readonly shadow: VersionView | null;
}

export interface FilterView {
  readonly name: string;
  readonly enabled: boolean;
  readonly state: { readonly text: string; readonly tone: Tone };
  readonly hooks: readonly string[];
  readonly active: VersionView | null;
  readonly previous: VersionView | null;
  readonly canary: VersionView | null;
  readonly canaryPercent: number | null;
  readonly shadow: VersionView | null;
  /** What the registry wants, and a change there begins with; null when it does not say. */
  readonly wanted: Wanted | null;
  /** Newest first. */
  readonly versions: readonly VersionView[];
  readonly takenBack: readonly TakenBack[];
  readonly refusals: readonly Refusal[];
  readonly nodes: readonly NodeRow[];
  readonly changed: Changed | null;
  readonly bakeMs: number | null;
  readonly onNode: boolean;
  readonly inRegistry: boolean;
  readonly logLinesDropped: number;
}

export interface Sources {
  readonly host: HostStatus | null;
  readonly edge: EdgeStatus | null;
  readonly overview: Overview | null;
  readonly audit: readonly AuditRecord[];
}

/** Every filter that anybody knows, by name. */
export function mergeFilters(sources: Sources): readonly FilterView[] {
  const names = new Set([...(sources.host?.filters.keys() ?? []), ...(sources.overview?.filters.keys() ?? [])]);
  return [...names].sort().map((name) => mergeFilter(name, sources));
}

function mergeFilter(name: string, sources: Sources): FilterView {
  const node = sources.host?.filters.get(name) ?? null;
  const registered = sources.overview?.filters.get(name) ?? null;
  const desired = registered?.desired ?? null;
  const runs = {
    active: node === null ? (desired?.active ?? null) : node.active,
    previous: node === null ? (desired?.previous ?? null) : node.previous,
    canary: node === null ? (desired?.canary?.version ?? null) : node.canary,
    shadow: node === null ? (desired?.shadow ?? null) : node.shadow,
  };
  const versions = mergeVersions(node, registered, runs);
  const find = (id: string | null): VersionView | null => versions.find((version) => version.id === id) ?? null;
  const loaded = node?.versions.flatMap((version) => version.hooks.map((hook) => hook.hook)) ?? [];
  const newest = registered?.versions[0]?.hooks ?? [];
  const takenBack = (node?.takenBack ?? []).map((id) => {
    const version = find(id);
    return { version: version?.name ?? shortId(id), reason: reasonOf(name, id, version?.number ?? null, sources) };
  });
  return {
    name,
    enabled: node?.enabled ?? desired?.enabled ?? false,
    state: stateOf(node, registered, sources.edge?.agent ?? null, name),
    hooks: [...new Set(find(runs.active)?.registered?.hooks ?? (loaded.length > 0 ? loaded : newest))],
    active: find(runs.active),
    previous: find(runs.previous),
    canary: find(runs.canary),
    canaryPercent: node === null ? (desired?.canary?.percent ?? null) : node.canaryPercent,
    shadow: find(runs.shadow),
    wanted: desired === null ? null : {
      enabled: desired.enabled,
      active: find(desired.active),
      previous: find(desired.previous),
      canary: find(desired.canary?.version ?? null),
      shadow: find(desired.shadow),
    },
    versions,
    takenBack,
    refusals: refusalsOf(versions),
    nodes: nodeRows(name, versions, sources),
    changed: registered?.changed ?? null,
    bakeMs: desired?.bakeMs ?? null,
    onNode: node !== null,
    inRegistry: registered !== null,
    logLinesDropped: node?.logLinesDropped ?? 0,
  };
}

type Runs = Readonly<Record<"active" | "previous" | "canary" | "shadow", string | null>>;

function mergeVersions(node: NodeFilter | null, registered: RegisteredFilter | null, runs: Runs): readonly VersionView[] {
  const known = registered?.versions ?? [];
  const loaded = node?.versions ?? [];
  const ids = new Set([...known.map((version) => version.id), ...loaded.map((version) => version.id)]);
  for (const id of [...Object.values(runs), ...(node?.takenBack ?? [])]) {
    if (id !== null) {
      ids.add(id);
    }
  }
  const rolesOf = (id: string): readonly Role[] => {
    const is: readonly (readonly [Role, boolean])[] = [
      ["active", runs.active === id],
      ["canary", runs.canary === id],
      ["judged", node?.watched === id],
      ["shadow", runs.shadow === id],
      ["previous", runs.previous === id],
      ["taken back", node?.takenBack.includes(id) === true],
      ["wanted", node !== null && registered?.desired.active === id && node.active !== id && !node.takenBack.includes(id)],
    ];
    return is.filter(([, holds]) => holds).map(([role]) => role);
  };
  const views = [...ids].map((id): VersionView => {
    const entry = known.find((version) => version.id === id) ?? null;
    const serving = loaded.find((version) => version.id === id && !version.shadow) ?? null;
    const shadowing = loaded.find((version) => version.id === id && version.shadow) ?? null;
    return {
      id,
      name: entry === null ? shortId(id) : `v${entry.number}`,
      number: entry?.number ?? null,
      label: entry?.label ?? serving?.label ?? shadowing?.label ?? "",
      roles: rolesOf(id),
      registered: entry,
      serving,
      shadowing,
    };
  });
  // Those without a number are not in the registry any more, or it is away: what runs comes first.
  const rank = (view: VersionView): number => view.number ?? (view.roles.includes("active") ? 0.5 : 0);
  return views.sort((a, b) => rank(b) - rank(a));
}

function stateOf(
  node: NodeFilter | null,
  registered: RegisteredFilter | null,
  agent: Agent | null,
  name: string,
): FilterView["state"] {
  const wanted = registered?.desired.active ?? agent?.filters.get(name)?.wanted ?? null;
  if (!(node?.enabled ?? registered?.desired.enabled ?? false)) {
    return { text: "switched off", tone: "plain" };
  }
  if (node === null) {
    return wanted === null ? { text: "nothing active", tone: "plain" } : { text: "not on this node", tone: "warn" };
  }
  const serves = node.versions.filter((version) => !version.shadow && [node.active, node.canary].includes(version.id));
  if (serves.some((version) => version.breaker === "open")) {
    return { text: "breaker open", tone: "bad" };
  }
  if (serves.some((version) => version.breaker === "half-open")) {
    return { text: "breaker half-open", tone: "warn" };
  }
  if (node.takenBack.length > 0) {
    return { text: "rolled back here", tone: "warn" };
  }
  if (node.active === null) {
    return wanted === null ? { text: "nothing active", tone: "plain" } : { text: "not ready here", tone: "bad" };
  }
  if (wanted !== null && wanted !== node.active) {
    return { text: "behind the registry", tone: "warn" };
  }
  if (node.canary !== null) {
    return { text: `canary at ${node.canaryPercent ?? 0} %`, tone: "good" };
  }
  return node.watched === null ? { text: "serving", tone: "good" } : { text: "serving, being judged", tone: "good" };
}

/** Why a version was taken back, from whoever knows. */
function reasonOf(filter: string, id: string, versionNumber: number | null, { overview, audit }: Sources): string {
  for (const node of overview?.nodes.values() ?? []) {
    const rolledBack = node.filters.get(filter)?.rolledBack;
    if (rolledBack?.from === id && rolledBack.reason !== "") {
      return rolledBack.reason;
    }
  }
  for (const entry of [...audit].reverse()) {
    const { fields } = entry;
    if (entry.action === "rolled-back" && text(fields["filter"]) === filter && number(fields["from"]) === versionNumber) {
      return text(fields["reason"]);
    }
  }
  return "";
}

function refusalsOf(versions: readonly VersionView[]): readonly Refusal[] {
  return versions.flatMap((version) =>
    [...(version.registered?.rejectedOn ?? [])].map(([node, rejection]) => ({ ...rejection, node, version: version.name })),
  );
}

function nodeRows(name: string, versions: readonly VersionView[], { edge, overview }: Sources): readonly NodeRow[] {
  const rows: NodeRow[] = [];
  for (const [node, seen] of overview?.nodes ?? []) {
    const report = seen.filters.get(name);
    if (report !== undefined) {
      rows.push(nodeRow(node, seen, report, name, versions, overview, node === edge?.node));
    }
  }
  return rows;
}

function nodeRow(
  node: string,
  seen: NodeOverview,
  report: FilterReport,
  name: string,
  versions: readonly VersionView[],
  overview: Overview | null,
  here: boolean,
): NodeRow {
  const desired = overview?.filters.get(name)?.desired ?? null;
  const label = (id: string | null): string => versions.find((version) => version.id === id)?.name ?? (id === null ? "–" : shortId(id));
  const hooks = report.stats?.versions.filter((version) => !version.shadow).flatMap((version) => version.hooks);
  const sum = (counts: Readonly<Record<string, number>>): number => Object.values(counts).reduce((a, b) => a + b, 0);
  const state = nodeState(report, desired?.active ?? null, desired?.enabled ?? true);
  return {
    node,
    role: seen.role,
    peer: seen.peer,
    seenMs: seen.seenMs,
    active: label(report.active),
    ...state,
    calls: hooks?.reduce((total, hook) => total + hook.calls, 0) ?? null,
    failures: hooks?.reduce((total, hook) => total + sum(hook.failures), 0) ?? null,
    here,
  };
}

function nodeState(report: FilterReport, wanted: string | null, enabled: boolean): { state: string; tone: Tone } {
  if (report.rolledBack !== null) {
    return { state: "rolled back", tone: "warn" };
  }
  if (!enabled) {
    return { state: "switched off", tone: "plain" };
  }
  const open = report.stats?.versions.some((version) => version.id === report.active && version.breaker === "open");
  if (open === true) {
    return { state: "breaker open", tone: "bad" };
  }
  if (wanted === null || report.active === wanted) {
    return wanted === null ? { state: "idle", tone: "plain" } : { state: "running", tone: "good" };
  }
  const progress = report.versions.get(wanted);
  if (progress === undefined || progress.state === "ready") {
    return { state: "behind", tone: "warn" };
  }
  const why = progress.stage === "" ? progress.reason : `${progress.stage}: ${progress.reason}`;
  const word = progress.state === "rejected" ? "refused" : spaced(progress.state);
  return { state: why === "" ? word : `${word} (${why})`, tone: progress.state === "preparing" ? "plain" : "bad" };
}
