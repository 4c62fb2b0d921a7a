import { describe, expect, it } from "vitest";
import auditJson from "./fixtures/audit.json";
import hostJson from "./fixtures/host.json";
import logsJson from "./fixtures/logs.json";
import overviewJson from "./fixtures/overview.json";
import statusJson from "./fixtures/status.json";
import { mergeFilters, type Sources } from "./merge";
import { parseAudit, parseEdgeStatus, parseHostStatus, parseLogPage, parseOverview } from "./parse";

const all: Sources = {
  host: parseHostStatus(hostJson),
  edge: parseEdgeStatus(statusJson),
  overview: parseOverview(overviewJson),
  audit: parseAudit(auditJson) ?? [],
};

function view(name: string, sources: Partial<Sources> = {}) {
  const found = mergeFilters({ ...all, ...sources }).find((filter) => filter.name === name);
  if (found === undefined) {
    throw new Error(`no filter ${name}`);
  }
  return found;
}

/** The fixture with one field of one filter changed. */
function hostWith(name: "auth" | "word-guard", change: object) {
  return parseHostStatus({ ...hostJson, filters: { ...hostJson.filters, [name]: { ...hostJson.filters[name], ...change } } });
}

describe("parse", () => {
  it("reads what the server writes", () => {
    const auth = all.host?.filters.get("auth");
    expect(auth?.versions).toHaveLength(3);
    expect(auth?.versions[1]?.lastFailure?.backtrace).toHaveLength(3);
    expect(auth?.versions[2]?.comparison?.differences[1]?.live).toBeNull();
    expect(all.edge).toMatchObject({ node: "edge-1", filtersEnabled: true, agent: { connected: true, generation: 31 } });
    expect(parseLogPage(logsJson)?.lines.at(-1)).toMatchObject({ number: 24, source: "log" });
    expect(all.audit.map((record) => record.seq)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });

  it("takes a field of the wrong type for an empty one, and another document for none", () => {
    const odd = parseHostStatus({ filters: { a: { enabled: "yes", active: 7, versions: [{ id: "x", hooks: [{ calls: "many" }, 5] }, null] } } });
    const filter = odd?.filters.get("a");
    expect(filter).toMatchObject({ enabled: false, active: null, takenBack: [] });
    expect(filter?.versions).toHaveLength(1);
    expect(filter?.versions[0]?.hooks[0]).toMatchObject({ calls: 0, decisions: {}, p99Us: 0 });
    expect([null, [], "x", {}].map(parseHostStatus)).toEqual([null, null, null, null]);
    expect([null, [], { filters: [] }].map(parseOverview)).toEqual([null, null, null]);
  });
});

describe("merge", () => {
  it("takes what runs from the node, and numbers and authors from the registry", () => {
    const auth = view("auth");
    expect(auth.active).toMatchObject({ name: "v3", label: "1.2.0", roles: ["active"] });
    expect(auth.previous?.name).toBe("v2");
    expect(auth.shadow).toMatchObject({ name: "v5", serving: null, roles: ["shadow"] });
    expect(auth.shadow?.shadowing?.comparison?.different).toBe(37);
    expect(auth.versions.map((version) => version.name)).toEqual(["v5", "v4", "v3", "v2", "v1"]);
    expect(auth.versions[1]).toMatchObject({ roles: ["taken back"], serving: null });
    expect(auth.versions[1]?.registered).toMatchObject({ pushedBy: "maria", keyId: "release" });
    expect(auth.changed?.what).toBe("activated v4");
  });

  it("keeps apart what is wanted, where changes begin, and what runs after a rollback of this node's own", () => {
    const { active, wanted } = view("auth");
    expect([active?.name, wanted?.active?.name, wanted?.previous?.name, wanted?.canary]).toEqual(["v3", "v4", "v3", null]);
    expect(view("word-guard").wanted).toMatchObject({ canary: { name: "v3" }, enabled: true, shadow: null });
    expect(view("auth", { overview: null }).wanted).toBeNull();
  });

  it("says why a version was taken back: by the node's report, else by the audit log", () => {
    const reason = "errors 4.8 % (31 of 641 calls), before 0.0 %";
    expect(view("auth").takenBack).toEqual([{ version: "v4", reason }]);
    const silent = parseOverview({ ...overviewJson, nodes: {} });
    expect(view("auth", { overview: silent }).takenBack[0]?.reason).toBe(reason);
    expect(view("auth", { overview: silent, audit: [] }).takenBack[0]?.reason).toBe("");
  });

  it("shows the node alone when the registry is away", () => {
    const auth = view("auth", { overview: null, audit: [] });
    expect(auth.active?.name).toMatch(/^[0-9a-f]{8}$/);
    expect(auth.active?.label).toBe("1.2.0");
    expect(auth.versions[0]).toBe(auth.active);
    expect(auth).toMatchObject({ onNode: true, inRegistry: false, nodes: [], refusals: [] });
  });

  it("shows the registry alone when the node runs nothing", () => {
    const auth = view("auth", { host: null });
    expect(auth).toMatchObject({ onNode: false, state: { text: "not on this node" } });
    expect(auth.active?.name).toBe("v4");
    expect(view("word-guard", { host: null })).toMatchObject({ canaryPercent: 5, canary: { name: "v3" } });
  });

  it("names the state of a filter, the worst first", () => {
    expect(["auth", "geo-block", "word-guard"].map((name) => view(name).state.text)).toEqual(["rolled back here", "switched off", "canary at 5 %"]);
    const open = { versions: hostJson.filters.auth.versions.map((version) => ({ ...version, breaker: "open" })) };
    expect(view("auth", { host: hostWith("auth", open) }).state).toEqual({ text: "breaker open", tone: "bad" });
    expect(view("auth", { host: hostWith("auth", { taken_back: [] }) }).state.text).toBe("behind the registry");
    expect(view("auth", { host: hostWith("auth", { taken_back: [], active: null }) }).state.text).toBe("not ready here");
    const plain = { canary: null, canary_percent: null };
    expect(view("word-guard", { host: hostWith("word-guard", plain) }).state.text).toBe("serving, being judged");
    expect(view("word-guard", { host: hostWith("word-guard", { ...plain, watched: null }) }).state.text).toBe("serving");
  });

  it("keeps the counts of a version apart from those of its shadow", () => {
    const [before, active, shadow] = hostJson.filters.auth.versions;
    const twice = hostWith("auth", { shadow: before?.id, versions: [before, active, { ...shadow, id: before?.id }] });
    const version = view("auth", { host: twice }).previous;
    expect(version?.roles).toEqual(["shadow", "previous"]);
    expect(version?.serving?.hooks[0]?.calls).toBe(84120);
    expect(version?.shadowing?.hooks[0]?.calls).toBe(18250);
  });

  it("lists nodes with how far they are, and what they refused", () => {
    const { nodes, refusals } = view("auth");
    expect(nodes.map(({ node, active, state, here }) => [node, active, state, here])).toEqual([
      ["edge-1", "v3", "rolled back", true],
      ["edge-2", "v4", "running", false],
      ["origin-1", "v3", "preparing", false],
    ]);
    expect(nodes[1]).toMatchObject({ calls: 9100, failures: 0 });
    expect(refusals).toMatchObject([{ version: "v5", node: "edge-2", stage: "probe" }]);
    const refused = structuredClone(overviewJson) as { nodes: Record<string, { report: { filters: { auth: { versions: Record<string, object> } } } }> };
    const wanted = overviewJson.filters.auth.desired.active;
    const origin = refused.nodes["origin-1"]?.report.filters.auth.versions ?? {};
    origin[wanted] = { state: "rejected", stage: "compile", reason: "too large" };
    expect(view("auth", { overview: parseOverview(refused) }).nodes[2]).toMatchObject({ state: "refused (compile: too large)", tone: "bad" });
    origin[wanted] = { state: "unavailable", reason: "timed out" };
    expect(view("auth", { overview: parseOverview(refused) }).nodes[2]).toMatchObject({ state: "unavailable (timed out)" });
  });

  it("knows filters that only one of the two knows", () => {
    expect(mergeFilters(all).map((filter) => filter.name)).toEqual(["auth", "geo-block", "word-guard"]);
    const pushed = parseOverview({ ...overviewJson, filters: { fresh: { ...overviewJson.filters.auth, desired: { enabled: true } } } });
    expect(view("fresh", { overview: pushed })).toMatchObject({ onNode: false, active: null, state: { text: "nothing active" } });
    expect(mergeFilters({ host: null, edge: null, overview: null, audit: [] })).toEqual([]);
  });
});
