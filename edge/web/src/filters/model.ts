/** What the page knows, and how it comes to know it. Nothing here touches the page itself. */

import { History } from "../lib/filters/history";
import { type FilterView, mergeFilters } from "../lib/filters/merge";
import { parseAudit, parseEdgeStatus, parseHostStatus, parseLogPage, parseOverview } from "../lib/filters/parse";
import { readTail } from "../lib/filters/tail";
import type { AuditRecord, EdgeStatus, HostStatus, LogLine, Overview } from "../lib/filters/types";
import { get, Refused } from "./api";
import { recallToken } from "./tokens";

/** Lines of a filter's log that are kept on the page. */
export const LINES_MAX = 300;
/** Audit records that are kept on the page; no more than a page of the API has. */
export const AUDIT_MAX = 200;
/** A registry that could not be reached is asked again after so many rounds. */
const RETRY_ROUNDS = 3;

/** How it stands with the registry, from here. */
export type RegistryState = "no-token" | "asking" | "ok" | "unknown-token" | "wrong-role" | "absent" | "unreachable";

export interface Outcome {
  readonly tone: "busy" | "good" | "bad";
  readonly text: string;
}

export interface Log {
  readonly lines: readonly LogLine[];
  readonly next: number;
  readonly problem: string | null;
}

export class Model {
  readonly history = new History();
  readonly logs = new Map<string, Log>();
  /** What became of the last request for each filter. */
  readonly outcomes = new Map<string, Outcome>();
  /** Filters whose cards are open. */
  readonly opened = new Set<string>();
  host: HostStatus | null = null;
  edge: EdgeStatus | null = null;
  overview: Overview | null = null;
  audit: readonly AuditRecord[] = [];
  registry: RegistryState = "asking";
  registryProblem = "";
  /** Why the edge itself gave no figures; empty when it did. */
  edgeProblem = "";
  runsFilters = true;
  /** When the edge last answered; 0 before. */
  freshAtMs = 0;
  #round = 0;
  #askAgainAt = 0;

  get views(): readonly FilterView[] {
    return mergeFilters({ host: this.host, edge: this.edge, overview: this.overview, audit: this.audit });
  }

  /** Another token, or a wish to try again. */
  forgetRegistry(): void {
    this.registry = recallToken("registry") === null ? "no-token" : "asking";
    this.registryProblem = "";
    this.overview = null;
    this.audit = [];
    this.#askAgainAt = 0;
  }

  /** Asks everybody once. Never rejects. */
  async refresh(): Promise<void> {
    this.#round += 1;
    await Promise.all([this.#refreshNode(), this.#refreshRegistry()]);
    await Promise.all([...this.opened].map((filter) => this.#refreshLog(filter)));
  }

  async #refreshNode(): Promise<void> {
    try {
      const edge = await get("/v1/status", parseEdgeStatus);
      if (this.edge !== null && this.edge.startedMs !== edge.startedMs) {
        // Another process: its counters and lines begin anew.
        this.history.clear();
        this.logs.clear();
      }
      this.edge = edge;
      this.runsFilters = edge.filtersEnabled;
      this.host = edge.filtersEnabled ? await get("/v1/node/filters", parseHostStatus) : null;
      this.freshAtMs = Date.now();
      if (this.host !== null) {
        this.history.add(this.host, this.freshAtMs);
      }
      this.edgeProblem = "";
    } catch (error) {
      this.edgeProblem = error instanceof Error ? error.message : String(error);
    }
  }

  async #refreshRegistry(): Promise<void> {
    const token = recallToken("registry");
    if (token === null) {
      this.registry = "no-token";
      return;
    }
    // A token that was refused is not tried again by itself: each try is a line in the registry's log.
    if (this.registry === "unknown-token" || this.registry === "wrong-role" || this.#round < this.#askAgainAt) {
      return;
    }
    try {
      const overview = await get("/v1/filters", parseOverview, token);
      const after = this.audit.at(-1)?.seq ?? 0;
      const fresh = await readTail((from) => get(`/v1/filters/audit?after=${from}`, parseAudit, token), after, AUDIT_MAX);
      if (recallToken("registry") !== token) {
        return;
      }
      this.overview = overview;
      this.audit = [...this.audit, ...fresh].slice(-AUDIT_MAX);
      this.registry = "ok";
      this.registryProblem = "";
    } catch (error) {
      // Meanwhile another token may have been entered, which is not to blame.
      if (recallToken("registry") === token) {
        this.#blame(error);
      }
    }
  }

  #blame(error: unknown): void {
    const status = error instanceof Refused ? error.status : 0;
    this.registryProblem = error instanceof Error ? error.message : String(error);
    this.registry = status === 401 ? "unknown-token" : status === 403 ? "wrong-role" : status === 404 ? "absent" : "unreachable";
    // What it said last is no longer what it says.
    this.overview = null;
    this.#askAgainAt = this.#round + RETRY_ROUNDS;
  }

  async #refreshLog(filter: string): Promise<void> {
    const known = this.logs.get(filter) ?? { lines: [], next: 0, problem: null };
    if (this.host?.filters.has(filter) !== true) {
      return;
    }
    try {
      const page = await get(`/v1/node/filters/${encodeURIComponent(filter)}/logs?after=${known.next}`, parseLogPage);
      const lines = [...known.lines, ...page.lines].slice(-LINES_MAX);
      this.logs.set(filter, { lines, next: page.next, problem: null });
    } catch (error) {
      this.logs.set(filter, { ...known, problem: error instanceof Error ? error.message : String(error) });
    }
  }
}
