/** Reads the JSON of the admin listener into the types beside. Null: it is not what was asked for at all. */

import type {
  Agent, AuditRecord, Changed, Comparison, Counts, Desired, EdgeStatus, FilterReport, HookStatus, HostStatus, LastFailure,
  LoadedVersion, LogLine, LogPage, NodeFilter, NodeOverview, Overview, RegisteredFilter, RegisteredVersion, Rejection,
  VersionState,
} from "./types";

type Json = Readonly<Record<string, unknown>>;

const NOTHING: Json = {};

export function record(value: unknown): Json | null {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : null;
}

export function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

export function number(value: unknown): number {
  return typeof value === "number" && Number.isFinite(value) ? value : 0;
}

function textOrNull(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}

function list<T>(value: unknown, read: (entry: Json) => T): readonly T[] {
  return Array.isArray(value) ? value.map(record).filter((entry) => entry !== null).map(read) : [];
}

function texts(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === "string") : [];
}

function map<T>(value: unknown, read: (entry: Json) => T): ReadonlyMap<string, T> {
  const entries = Object.entries(record(value) ?? NOTHING);
  return new Map(entries.map(([key, entry]) => [key, read(record(entry) ?? NOTHING)]));
}

function counts(value: unknown): Counts {
  const entries = Object.entries(record(value) ?? NOTHING);
  return Object.fromEntries(entries.map(([key, count]) => [key, number(count)]));
}

function hookStatus(json: Json): HookStatus {
  return {
    hook: text(json["hook"]),
    calls: number(json["calls"]),
    reused: number(json["reused"]),
    decisions: counts(json["decisions"]),
    failures: counts(json["failures"]),
    p50Us: number(json["p50_us"]),
    p99Us: number(json["p99_us"]),
  };
}

function lastFailure(value: unknown): LastFailure | null {
  const json = record(value);
  return json === null ? null : {
    hook: text(json["hook"]),
    kind: text(json["kind"]),
    message: text(json["message"]),
    backtrace: texts(json["backtrace"]),
    requestId: text(json["request_id"]),
    atMs: number(json["at_unix_ms"]),
  };
}

function comparison(value: unknown): Comparison | null {
  const json = record(value);
  return json === null ? null : {
    equal: number(json["equal"]),
    different: number(json["different"]),
    failed: number(json["failed"]),
    skipped: number(json["skipped"]),
    differences: list(json["differences"], (entry) => ({
      hook: text(entry["hook"]),
      requestId: text(entry["request_id"]),
      atMs: number(entry["at_unix_ms"]),
      live: typeof entry["live"] === "string" ? entry["live"] : null,
      shadow: text(entry["shadow"]),
    })),
  };
}

function loadedVersion(json: Json): LoadedVersion {
  return {
    id: text(json["id"]),
    label: text(json["label"]),
    shadow: json["shadow"] === true,
    breaker: text(json["breaker"]),
    disabled: number(json["disabled"]),
    memoryBytesMax: number(json["memory_bytes_max"]),
    running: number(json["running"]),
    idle: number(json["idle"]),
    hooks: list(json["hooks"], hookStatus),
    lastFailure: lastFailure(json["last_failure"]),
    comparison: comparison(json["comparison"]),
  };
}

function nodeFilter(json: Json): NodeFilter {
  return {
    enabled: json["enabled"] === true,
    active: textOrNull(json["active"]),
    previous: textOrNull(json["previous"]),
    canary: textOrNull(json["canary"]),
    canaryPercent: typeof json["canary_percent"] === "number" ? json["canary_percent"] : null,
    shadow: textOrNull(json["shadow"]),
    watched: textOrNull(json["watched"]),
    takenBack: texts(json["taken_back"]),
    logLinesDropped: number(json["log_lines_dropped"]),
    versions: list(json["versions"], loadedVersion),
  };
}

/** `GET /v1/node/filters` */
export function parseHostStatus(value: unknown): HostStatus | null {
  const json = record(value);
  if (json === null || record(json["filters"]) === null) {
    return null;
  }
  return {
    generation: number(json["generation"]),
    pooling: json["pooling"] === true,
    filters: map(json["filters"], nodeFilter),
    grants: number(json["grants"]),
    denials: number(json["denials"]),
    asking: number(json["asking"]),
    answers: number(json["answers"]),
    revocations: number(json["revocations"]),
  };
}

function agent(value: unknown): Agent | null {
  const json = record(value);
  return json === null ? null : {
    generation: number(json["generation"]),
    connected: json["connected"] === true,
    problem: textOrNull(json["problem"]),
    settled: json["settled"] === true,
    filters: map(json["filters"], (entry) => ({
      state: text(entry["state"]),
      active: textOrNull(entry["active"]),
      wanted: textOrNull(entry["wanted"]),
    })),
  };
}

/** `GET /v1/status` */
export function parseEdgeStatus(value: unknown): EdgeStatus | null {
  const json = record(value);
  if (json === null) {
    return null;
  }
  const filters = record(json["filters"]) ?? NOTHING;
  return {
    node: text(json["node"]),
    version: text(json["version"]),
    startedMs: number(json["started_unix_ms"]),
    ready: json["ready"] === true,
    draining: json["draining"] === true,
    filtersEnabled: filters["enabled"] === true,
    agent: agent(filters["agent"]),
  };
}

function rejection(json: Json): Rejection {
  return { stage: text(json["stage"]), reason: text(json["reason"]) };
}

function registeredVersion(json: Json): RegisteredVersion {
  return {
    number: number(json["number"]),
    id: text(json["id"]),
    size: number(json["size"]),
    label: text(json["label"]),
    hooks: texts(json["hooks"]),
    pushedBy: text(json["pushed_by"]),
    pushedAtMs: number(json["pushed_at_unix_ms"]),
    keyId: textOrNull(json["key_id"]),
    roles: texts(json["roles"]),
    readyOn: texts(json["ready_on"]),
    rejectedOn: map(json["rejected_on"], rejection),
  };
}

function desired(value: unknown): Desired {
  const json = record(value) ?? NOTHING;
  const canary = record(json["canary"]);
  const bake = record(json["bake"]);
  return {
    active: textOrNull(json["active"]),
    previous: textOrNull(json["previous"]),
    canary: canary === null ? null : { version: text(canary["version"]), percent: number(canary["percent"]) },
    shadow: textOrNull(json["shadow"]),
    bakeMs: bake === null ? null : number(bake["ms"]),
    enabled: json["enabled"] === true,
  };
}

export function parseChanged(value: unknown): Changed | null {
  const json = record(value);
  return json === null ? null : { by: text(json["by"]), atMs: number(json["at_unix_ms"]), what: text(json["what"]) };
}

function registeredFilter(json: Json): RegisteredFilter {
  return {
    versions: list(json["versions"], registeredVersion),
    desired: desired(json["desired"]),
    changed: parseChanged(json["changed"]),
  };
}

function versionState(json: Json): VersionState {
  return { state: text(json["state"]), ...rejection(json) };
}

function filterReport(json: Json): FilterReport {
  const rolledBack = record(json["rolled_back"]);
  const stats = record(json["stats"]);
  return {
    active: textOrNull(json["active"]),
    versions: map(json["versions"], versionState),
    rolledBack: rolledBack === null ? null : { from: text(rolledBack["from"]), reason: text(rolledBack["reason"]) },
    stats: stats === null ? null : nodeFilter(stats),
  };
}

function nodeOverview(json: Json): NodeOverview {
  const report = record(json["report"]) ?? NOTHING;
  return {
    seenMs: number(json["seen_unix_ms"]),
    peer: textOrNull(json["peer"]),
    generation: number(report["generation"]),
    role: text(report["role"]),
    filters: map(report["filters"], filterReport),
  };
}

/** `GET /v1/filters` */
export function parseOverview(value: unknown): Overview | null {
  const json = record(value);
  if (json === null || record(json["filters"]) === null) {
    return null;
  }
  return {
    generation: number(json["generation"]),
    nowMs: number(json["now_unix_ms"]),
    filters: map(json["filters"], registeredFilter),
    nodes: map(json["nodes"], nodeOverview),
  };
}

function logLine(json: Json): LogLine {
  return {
    number: number(json["number"]),
    atMs: number(json["at_unix_ms"]),
    level: text(json["level"]),
    source: text(json["source"]),
    version: text(json["version"]),
    shadow: json["shadow"] === true,
    requestId: text(json["request_id"]),
    message: text(json["message"]),
  };
}

/** `GET /v1/node/filters/{name}/logs` */
export function parseLogPage(value: unknown): LogPage | null {
  const json = record(value);
  return json === null ? null : { lines: list(json["lines"], logLine), next: number(json["next"]) };
}

/** `GET /v1/filters/audit` */
export function parseAudit(value: unknown): readonly AuditRecord[] | null {
  const json = record(value);
  return json === null ? null : list(json["records"], (entry) => ({
    seq: number(entry["seq"]),
    atMs: number(entry["at_unix_ms"]),
    actor: text(entry["actor"]),
    peer: textOrNull(entry["peer"]),
    action: text(entry["action"]),
    fields: entry,
  }));
}
