/**
 * What the edge's admin listener says about filters, parsed with distrust: a field of the wrong type is empty, not an
 * exception. The Rust types are the authority: wasm-filters/src/host/status.rs, edge/src/admin, filter-registry/src/wire.rs.
 */

export type Counts = Readonly<Record<string, number>>;

/** One hook of a version on this node. Durations are those of all calls since the version was loaded. */
export interface HookStatus {
  readonly hook: string;
  readonly calls: number;
  readonly reused: number;
  readonly decisions: Counts;
  readonly failures: Counts;
  readonly p50Us: number;
  readonly p99Us: number;
}

export interface LastFailure {
  readonly hook: string;
  readonly kind: string;
  readonly message: string;
  readonly backtrace: readonly string[];
  readonly requestId: string;
  readonly atMs: number;
}

export interface Difference {
  readonly hook: string;
  readonly requestId: string;
  readonly atMs: number;
  readonly live: string | null;
  readonly shadow: string;
}

export interface Comparison {
  readonly equal: number;
  readonly different: number;
  readonly failed: number;
  readonly skipped: number;
  readonly differences: readonly Difference[];
}

/** A version that is loaded on this node. */
export interface LoadedVersion {
  readonly id: string;
  readonly label: string;
  readonly shadow: boolean;
  readonly breaker: string;
  readonly disabled: number;
  readonly memoryBytesMax: number;
  readonly running: number;
  readonly idle: number;
  readonly hooks: readonly HookStatus[];
  readonly lastFailure: LastFailure | null;
  readonly comparison: Comparison | null;
}

/** A filter on this node; also what other nodes report of theirs. */
export interface NodeFilter {
  readonly enabled: boolean;
  readonly active: string | null;
  readonly previous: string | null;
  readonly canary: string | null;
  readonly canaryPercent: number | null;
  readonly shadow: string | null;
  readonly watched: string | null;
  readonly takenBack: readonly string[];
  readonly logLinesDropped: number;
  readonly versions: readonly LoadedVersion[];
}

export interface HostStatus {
  readonly generation: number;
  readonly pooling: boolean;
  readonly filters: ReadonlyMap<string, NodeFilter>;
  readonly grants: number;
  readonly denials: number;
  readonly asking: number;
  readonly answers: number;
  readonly revocations: number;
}

export interface AgentFilter {
  readonly state: string;
  readonly active: string | null;
  readonly wanted: string | null;
}

/** How far this node is with what the registry wants. */
export interface Agent {
  readonly generation: number;
  readonly connected: boolean;
  readonly problem: string | null;
  readonly settled: boolean;
  readonly filters: ReadonlyMap<string, AgentFilter>;
}

export interface EdgeStatus {
  readonly node: string;
  readonly version: string;
  readonly startedMs: number;
  readonly ready: boolean;
  readonly draining: boolean;
  readonly filtersEnabled: boolean;
  readonly agent: Agent | null;
}

export interface Rejection {
  readonly stage: string;
  readonly reason: string;
}

export interface RegisteredVersion {
  readonly number: number;
  readonly id: string;
  readonly size: number;
  readonly label: string;
  readonly hooks: readonly string[];
  readonly pushedBy: string;
  readonly pushedAtMs: number;
  readonly keyId: string | null;
  readonly roles: readonly string[];
  readonly readyOn: readonly string[];
  readonly rejectedOn: ReadonlyMap<string, Rejection>;
}

export interface Desired {
  readonly active: string | null;
  readonly previous: string | null;
  readonly canary: { readonly version: string; readonly percent: number } | null;
  readonly shadow: string | null;
  readonly bakeMs: number | null;
  readonly enabled: boolean;
}

export interface Changed {
  readonly by: string;
  readonly atMs: number;
  readonly what: string;
}

export interface RegisteredFilter {
  readonly versions: readonly RegisteredVersion[];
  readonly desired: Desired;
  readonly changed: Changed | null;
}

/** How far a node is with a version: `preparing`, `ready`, `unavailable`, `rejected`. */
export interface VersionState {
  readonly state: string;
  readonly stage: string;
  readonly reason: string;
}

export interface FilterReport {
  readonly active: string | null;
  readonly versions: ReadonlyMap<string, VersionState>;
  readonly rolledBack: { readonly from: string; readonly reason: string } | null;
  readonly stats: NodeFilter | null;
}

export interface NodeOverview {
  readonly seenMs: number;
  readonly peer: string | null;
  readonly generation: number;
  readonly role: string;
  readonly filters: ReadonlyMap<string, FilterReport>;
}

/** Everything the registry tells operators. */
export interface Overview {
  readonly generation: number;
  readonly nowMs: number;
  readonly filters: ReadonlyMap<string, RegisteredFilter>;
  readonly nodes: ReadonlyMap<string, NodeOverview>;
}

export interface LogLine {
  readonly number: number;
  readonly atMs: number;
  readonly level: string;
  readonly source: string;
  readonly version: string;
  readonly shadow: boolean;
  readonly requestId: string;
  readonly message: string;
}

export interface LogPage {
  readonly lines: readonly LogLine[];
  readonly next: number;
}

/** A line of the audit log; what belongs to its action stays in `fields`. */
export interface AuditRecord {
  readonly seq: number;
  readonly atMs: number;
  readonly actor: string;
  readonly peer: string | null;
  readonly action: string;
  readonly fields: Readonly<Record<string, unknown>>;
}
