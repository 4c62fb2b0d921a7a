import { beforeEach, describe, expect, it, vi } from "vitest";
import { FakeClock, settle } from "../lib/fake-clock";
import { Problem } from "./problem";
import { Session } from "./session";
import type { World } from "./world";

const USER = { id: "u-1", login: "ann", name: "Ann", roles: [], rooms: { demo: ["moderator"] }, created_at_ms: 5 };

/** A server that hands out tokens `t1`, `t2`, ..., and the tabs of one browser in front of it. */
class Site extends FakeClock {
  tokens = 0;
  ends = false;
  accounts = true;
  away = false;
  slow = false;
  asked: string[] = [];
  /** What goes on when the page ends. */
  kept: string[] = [];
  good = new Set<string>();
  remembered: boolean | null = null;
  user = USER;
  tabs: ((message: unknown) => void)[] = [];
  #lock: Promise<unknown> = Promise.resolve();

  tab(): World & { wake: () => void } {
    let own: (message: unknown) => void = () => undefined;
    const tab = {
      wake: () => undefined as void,
      fetch: (path: string, init: RequestInit) => this.#answer(path, init),
      now: () => this.nowMs,
      exclusive: <T>(run: () => Promise<T>): Promise<T> => {
        const next = this.#lock.then(run, run);
        this.#lock = next.catch(() => undefined);
        return next;
      },
      tell: (message: unknown) => this.tabs.filter((other) => other !== own).forEach((other) => other(structuredClone(message))),
      listen: (onMessage: (message: unknown) => void, onWake: () => void) => {
        own = onMessage;
        this.tabs.push(own);
        tab.wake = onWake;
      },
      later: (run: () => void, ms: number) => this.later(run, ms),
      recall: () => this.remembered,
      remember: (signedIn: boolean) => void (this.remembered = signedIn),
    };
    return tab;
  }

  count(path: string): number {
    return this.asked.filter((asked) => asked.startsWith(path)).length;
  }

  async #answer(path: string, init: RequestInit): Promise<Response> {
    const token = (new Headers(init.headers).get("Authorization") ?? "").replace("Bearer ", "");
    this.asked.push(`${path} ${token}`.trim());
    if (init.keepalive === true) {
      this.kept.push(path);
    }
    await Promise.resolve();
    if (this.away) {
      throw this.slow ? new DOMException("slow", "TimeoutError") : new TypeError("network");
    }
    if (path === "/api/accounts" && init.method === undefined) {
      return json(200, { enabled: this.accounts });
    }
    if (!this.accounts) {
      return problem(404, "not-found");
    }
    switch (path) {
      case "/api/session":
        return (JSON.parse(String(init.body)) as { password: string }).password === "right" ? this.#session() : problem(401, "wrong-credentials");
      case "/api/session/refresh":
        return this.ends ? problem(401, "signed-out") : this.#session();
      case "/api/session/end":
        return new Response(null, { status: 204 });
      case "/api/me/erase":
        return problem(401, "wrong-credentials");
      default:
        return this.good.has(token) ? json(200, USER) : problem(401, "signed-out");
    }
  }

  #session(): Response {
    this.good.add(`t${(this.tokens += 1)}`);
    return json(200, { access_token: `t${this.tokens}`, token_type: "Bearer", expires_in: 600, user: this.user });
  }
}

const json = (status: number, body: unknown, headers = {}): Response => new Response(JSON.stringify(body), { status, headers });
const problem = (status: number, code: string): Response => json(status, { status, code, detail: "no" }, { "Retry-After": "3" });

let site: Site;
beforeEach(() => {
  site = new Site(1_000_000);
  vi.spyOn(Math, "random").mockReturnValue(0);
});

async function signedIn(): Promise<Session> {
  const session = new Session(site.tab());
  await session.restore();
  return session;
}

describe("session", () => {
  it("restores who was signed in, and does not try where nobody was", async () => {
    const session = await signedIn();
    expect([session.user?.name, session.token, session.accounts, session.user?.rooms["demo"]]).toEqual(["Ann", "t1", "there", ["moderator"]]);
    site = new Site(1_000_000);
    site.remembered = false;
    const nobody = await signedIn();
    expect([nobody.user, nobody.accounts, site.asked]).toEqual([null, "there", ["/api/accounts"]]);
  });

  it("knows a server without accounts", async () => {
    site.accounts = false;
    for (const remembered of [null, true, false]) {
      site.remembered = remembered;
      expect((await signedIn()).accounts).toBe("none");
    }
  });

  it("asks again when nobody answered", async () => {
    site.away = true;
    const session = await signedIn();
    expect([session.user, session.accounts]).toEqual([null, "unknown"]);
    site.away = false;
    await site.pass(60_000);
    expect(session.user?.id).toBe("u-1");
  });

  it("refreshes before the end, again and again", async () => {
    const session = await signedIn();
    await site.pass(539_000);
    expect(session.token).toBe("t1");
    await site.pass(1000);
    expect(session.token).toBe("t2");
    await site.pass(540_000);
    expect(session.token).toBe("t3");
  });

  it("takes the new cookie also where the page is left meanwhile", async () => {
    const session = await signedIn();
    await session.json("/api/wallet");
    expect(site.kept).toEqual(["/api/session/refresh"]);
  });

  it("keeps trying while nobody answers, and keeps the user", async () => {
    const session = await signedIn();
    site.away = true;
    await site.pass(540_000);
    await site.pass(100_000);
    expect([session.user?.id, session.token]).toEqual(["u-1", "t1"]);
    site.away = false;
    await site.pass(60_000);
    expect(session.token).toBe("t2");
  });

  it("refreshes once on 401, however many asked", async () => {
    const session = await signedIn();
    site.good.clear();
    const answers = await Promise.all([1, 2, 3].map(() => session.json<{ id: string }>("/api/wallet")));
    expect([answers.map(({ id }) => id), site.count("/api/session/refresh"), session.token]).toEqual([["u-1", "u-1", "u-1"], 2, "t2"]);
  });

  it("is signed out when the refresh is refused, and says so once", async () => {
    const session = await signedIn();
    const heard = vi.fn();
    session.onChange(heard);
    site.good.clear();
    site.ends = true;
    await expect(session.json("/api/wallet")).rejects.toMatchObject({ status: 401, code: "signed-out", retryAfterMs: 3000 });
    expect([session.user, session.token, heard.mock.calls.length, site.remembered]).toEqual([null, null, 1, false]);
  });

  it("does not take a wrong password for an ended token", async () => {
    const session = await signedIn();
    await expect(session.json("/api/me/erase", { method: "POST", body: "{}" })).rejects.toBeInstanceOf(Problem);
    expect([site.count("/api/me/erase"), site.count("/api/session/refresh"), session.user?.id]).toEqual([1, 1, "u-1"]);
  });

  it("says whether nobody answered, or not in time", async () => {
    const session = await signedIn();
    site.away = true;
    await expect(session.json("/api/wallet")).rejects.toMatchObject({ status: 0, code: "unavailable" });
    site.slow = true;
    await expect(session.json("/api/wallet")).rejects.toMatchObject({ status: 0, code: "timeout" });
  });

  it("signs in, says why not, and signs out", async () => {
    site.remembered = false;
    const session = await signedIn();
    await expect(session.signIn("ann", "wrong")).rejects.toMatchObject({ code: "wrong-credentials", detail: "no" });
    await session.signIn("ann", "right");
    expect([session.user?.login, site.remembered]).toEqual(["ann", true]);
    site.away = true;
    await expect(session.signOut()).rejects.toMatchObject({ code: "unavailable" });
    expect(session.user?.login).toBe("ann");
    site.away = false;
    await session.signOut();
    expect([session.user, site.remembered]).toEqual([null, false]);
  });

  it("shares one refresh among tabs", async () => {
    const [one, other] = [await signedIn(), await signedIn()];
    expect([one.token, other.token]).toEqual(["t2", "t2"]);
    await site.pass(540_000);
    expect([one.token, other.token, site.count("/api/session/refresh")]).toEqual(["t3", "t3", 3]);
    await one.signOut();
    expect(other.user).toBeNull();
    await one.signIn("ann", "right");
    expect([other.user?.id, other.token]).toEqual(["u-1", one.token]);
  });

  it("refreshes a token that ended while the machine slept", async () => {
    const tab = site.tab();
    const session = new Session(tab);
    await session.restore();
    site.nowMs += 3_600_000;
    site.good.clear();
    tab.wake();
    await settle();
    expect(session.token).toBe("t2");
    site.nowMs += 3_600_000;
    await session.json("/api/wallet");
    expect([session.token, site.asked.at(-1)]).toEqual(["t3", "/api/wallet t3"]);
  });

  it("asks for nothing as somebody else who has signed in meanwhile", async () => {
    const tab = site.tab();
    const session = new Session(tab);
    await session.restore();
    const come = (): void => {
      site.user = { ...USER, id: "u-2" };
      site.tabs.forEach((tell) => tell({ type: "in", access_token: "t-bob", expires_at_ms: site.nowMs + 600_000, user: site.user }));
    };
    site.good = new Set(["t-bob"]);
    const asking = session.json("/api/wallet");
    come();
    await expect(asking).rejects.toMatchObject({ status: 401, code: "signed-out" });
    expect([session.user?.id, site.count("/api/wallet")]).toEqual(["u-2", 1]);
    // Also where it was the refresh that brought somebody else.
    site.nowMs += 3_600_000;
    site.user = USER;
    await expect(session.json("/api/wallet")).rejects.toMatchObject({ code: "signed-out" });
    expect([session.user?.id, site.count("/api/wallet")]).toEqual(["u-1", 1]);
  });

  it("shows no other site the token", async () => {
    const session = await signedIn();
    for (const path of ["https://evil.example/", "//evil.example/", "api/me"]) {
      await expect(session.fetch(path)).rejects.toThrow("not a path");
    }
    expect(site.count("")).toBe(1);
  });

  it("tells of changes only", async () => {
    const session = await signedIn();
    const heard = vi.fn();
    const end = session.onChange(heard);
    await site.pass(540_000);
    expect(heard).not.toHaveBeenCalled();
    session.learn({ ...USER, name: "Anna" });
    expect([heard.mock.calls.length, session.user?.name]).toEqual([1, "Anna"]);
    end();
    session.forget();
    expect(heard).toHaveBeenCalledTimes(1);
  });
});
