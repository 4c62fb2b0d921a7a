import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { fakeBrowser, realBrowser } from "./fake-edge";
import { guestErrorCode, hasEnded, Identity, parseGuest, tokenOfFragment } from "./identity";

const HOUR_MS = 3_600_000;

/** A token whose time is over then. */
const tokenUntil = (ms: number): string => `h.${btoa(JSON.stringify({ exp: ms / 1000 }))}.s`;

function keepGuest(token: string, expiresMs: number): void {
  localStorage.setItem("weir.guest", JSON.stringify({ token, user: { id: "g-1", name: "Ann" }, expires_at_ms: expiresMs }));
}

/** The origin's desk: answers with these statuses, one after the other, and notes the tokens that it is shown. */
function desk(...statuses: number[]): (string | undefined)[] {
  const shown: (string | undefined)[] = [];
  vi.stubGlobal("fetch", (_url: string, init: RequestInit) => {
    shown.push((init.headers as Record<string, string>)["Authorization"]);
    const status = statuses[shown.length - 1] ?? 200;
    const body = { token: `new-${shown.length}`, user: { id: "g-1", name: "Ann" }, expires_at_ms: Date.now() + HOUR_MS };
    return Promise.resolve(new Response(JSON.stringify(status === 200 ? body : {}), { status }));
  });
  return shown;
}

let page: { reload: () => void };
beforeEach(() => (page = fakeBrowser()));
afterEach(realBrowser);

describe("what one brings", () => {
  it("is the token of a fragment", () => {
    expect(["#token=a.b", "#x=1&token=c", "", "#token="].map(tokenOfFragment)).toEqual(["a.b", "c", null, null]);
  });

  it("is a guest, or a refusal", () => {
    expect(parseGuest({ token: "t", user: { id: "g-1", name: "Ann" }, expires_at_ms: 5 })).toEqual({ token: "t", id: "g-1", name: "Ann", expiresMs: 5 });
    expect([null, 1, {}, { token: "t" }].map(parseGuest)).toEqual([null, null, null, null]);
    expect([guestErrorCode(409, null), guestErrorCode(400, { code: "bad-name" }), guestErrorCode(403, {}), guestErrorCode(429, {}), guestErrorCode(503, null)]).toEqual([
      "name-taken", "bad-name", "closed", "too-many", "unavailable",
    ]);
  });

  it("says when its time is over", () => {
    expect([tokenUntil(5000), tokenUntil(5001), "opaque", "a.b.c", ""].map((token) => hasEnded(token, 5000))).toEqual([true, false, false, false, false]);
  });
});

describe("a token in the address", () => {
  it("is taken out of it, and kept for the tab", () => {
    realBrowser();
    fakeBrowser("https://edge.example/watch/x?a=1#token=t.1");
    expect(new Identity("x", null).token).toBe("t.1");
    expect([location.href, new Identity("x", null).token, new Identity("y", "p").token]).toEqual(["https://edge.example/watch/x?a=1", "t.1", "p"]);
  });

  it("is taken where the page is open already", () => {
    new Identity("x", null);
    window.dispatchEvent(new Event("hashchange"));
    expect(page.reload).not.toHaveBeenCalled();
    location.hash = "#token=t.2";
    window.dispatchEvent(new Event("hashchange"));
    expect([location.hash, sessionStorage.getItem("weir.token./api/rooms/x")]).toEqual(["", "t.2"]);
    expect(page.reload).toHaveBeenCalledOnce();
  });
});

describe("a token that was given", () => {
  it("is kept where an edge refuses it, until its time is over", async () => {
    const until = Date.now() + HOUR_MS;
    sessionStorage.setItem("weir.token./api/rooms/x", tokenUntil(until));
    const identity = new Identity("x", null);
    expect([await identity.refuse(identity.token), identity.isGiven, new Identity("x", null).isGiven]).toEqual(["no", true, true]);
    vi.setSystemTime(until);
    expect([await identity.refuse(identity.token), identity.isGiven, new Identity("x", null).isGiven]).toEqual(["again", false, false]);
  });
});

describe("a guest", () => {
  it("that one room refuses is one in others still", async () => {
    keepGuest("old", Date.now() + HOUR_MS);
    const identity = new Identity("x", "p");
    expect([await identity.refuse("old"), identity.token, identity.guest]).toEqual(["again", "p", null]);
    expect(await identity.refuse("p")).toBe("no");
    const shown = desk();
    const other = new Identity("z", null);
    await other.refuse("old");
    expect([(await other.name("Ann")).token, shown]).toEqual(["new-1", ["Bearer old"]]);
    keepGuest("old", Date.now() + HOUR_MS);
    expect(new Identity("y", null).token).toBe("old");
    await identity.freshen();
    expect(identity.token).toBe("old");
  });

  it("is renewed in time, and not at each tick", async () => {
    keepGuest("old", Date.now() + HOUR_MS);
    const shown = desk(503);
    const identity = new Identity("x", null);
    expect(await identity.renew()).toBe(false);
    vi.advanceTimersByTime(HOUR_MS - 60_000);
    expect([await identity.renew(), await identity.renew(), shown.length]).toEqual([false, false, 1]);
    vi.advanceTimersByTime(30_000);
    expect([await identity.renew(), identity.token]).toEqual([true, "new-2"]);
  });

  it("stays the same one after having slept past the end", async () => {
    keepGuest("old", Date.now() + HOUR_MS);
    const shown = desk();
    const identity = new Identity("x", null);
    vi.advanceTimersByTime(2 * HOUR_MS);
    expect(identity.token).toBeNull();
    expect([await identity.renew(), identity.token, shown]).toEqual([true, "new-1", ["Bearer old"]]);
  });

  it("whose token the edge says has ended has another one already, or gets it", async () => {
    keepGuest("old", Date.now() + 60_000);
    const shown = desk(200, 503, 200);
    const identity = new Identity("x", null);
    await identity.renew();
    expect([await identity.replace("old"), identity.token, shown.length]).toEqual(["again", "new-1", 1]);
    // By the edge's clock that one has ended, too; however lately one has asked.
    expect([await identity.replace("new-1"), await identity.replace("new-1"), identity.token]).toEqual(["later", "again", "new-3"]);
    keepGuest("other tab's", Date.now() + 2 * HOUR_MS);
    expect([await identity.replace("new-3"), identity.token, shown.length]).toEqual(["again", "other tab's", 3]);
  });

  it("who was refused as nobody, because the token had ended, gets another one", async () => {
    keepGuest("old", Date.now() - 1);
    desk(429, 200);
    const identity = new Identity("x", null);
    expect([await identity.refuse(null), await identity.refuse(null), identity.token]).toEqual(["later", "again", "new-2"]);
    expect([await identity.refuse("old"), identity.token]).toEqual(["again", "new-2"]);
  });

  it("whose name is somebody else's by now listens", async () => {
    keepGuest("old", Date.now() - 1);
    desk(409);
    const identity = new Identity("x", null);
    expect([await identity.replace("old"), identity.guest, new Identity("x", null).guest]).toEqual(["again", null, null]);
  });
});

describe("who is signed in", () => {
  const fake = () => {
    const account = { token: "acc-1" as string | null, changed: () => undefined as void, renew: vi.fn(), onChange: (listener: () => void) => void (account.changed = listener) };
    return account;
  };

  it("comes by their account, not as a guest", async () => {
    const shown = desk();
    keepGuest("old", Date.now() - 1);
    const account = fake();
    const identity = new Identity("x", "play", account);
    await identity.freshen();
    expect([identity.token, identity.isGiven, identity.isAccount, await identity.renew(), shown]).toEqual(["acc-1", true, true, false, []]);
  });

  it("has another token when theirs has ended, and is a guest when signed out", async () => {
    desk();
    const account = fake();
    keepGuest("guest", Date.now() + HOUR_MS);
    const identity = new Identity("x", null, account);
    account.renew.mockResolvedValueOnce("again").mockResolvedValueOnce("later").mockResolvedValueOnce("no");
    expect([await identity.replace("acc-0"), await identity.replace("acc-1"), await identity.replace("acc-1")]).toEqual(["again", "later", "again"]);
    account.token = null;
    const changed = vi.fn();
    identity.onChange(changed);
    account.changed();
    expect([identity.token, identity.isAccount, changed.mock.calls.length]).toEqual(["guest", false, 1]);
  });

  it("is not another one because the page has learned something else", () => {
    const account = fake();
    account.token = null;
    const identity = new Identity("x", null, account);
    const changed = vi.fn();
    identity.onChange(changed);
    const calls = ["nobody", null, "acc-1", "acc-1", "acc-2", null, null].map((token) => {
      account.token = token === "nobody" ? null : token;
      account.changed();
      return changed.mock.calls.length;
    });
    expect(calls).toEqual([0, 0, 1, 1, 2, 3, 3]);
  });

  it("is another one when they sign out, also where they had come before anybody listened", () => {
    const account = fake();
    account.token = null;
    const identity = new Identity("x", null, account);
    account.token = "acc-1";
    account.changed();
    const changed = vi.fn();
    identity.onChange(changed);
    account.token = null;
    account.changed();
    expect(changed).toHaveBeenCalledTimes(1);
  });

  it("listens where an edge goes on refusing, until they connect by hand", async () => {
    const account = fake();
    const identity = new Identity("x", null, account);
    const seen = [];
    for (let attempt = 0; attempt < 3; attempt += 1) {
      await identity.refuse(identity.token);
      seen.push(identity.token);
    }
    await identity.freshen();
    expect([seen, identity.token, account.renew.mock.calls.length]).toEqual([["acc-1", "acc-1", null], "acc-1", 0]);
  });

  it("does not change who came by a link", async () => {
    realBrowser();
    fakeBrowser("https://edge.example/watch/x#token=t.1");
    const account = fake();
    const identity = new Identity("x", null, account);
    const changed = vi.fn();
    identity.onChange(changed);
    account.changed();
    expect([identity.token, identity.isAccount, changed.mock.calls.length]).toEqual(["t.1", false, 0]);
  });
});
