import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { fakeBrowser, FakeSocket, realBrowser } from "./fake-edge";
import { PONG, STATE, WELCOME_COMPLETE, WELCOME_FRESH, YOU } from "./golden";
import { Identity } from "./identity";
import type { Outcome } from "./protocol";
import { type Behind, Room } from "./room";
import { PENDING_MAX } from "./timeline";

const last = (): FakeSocket => FakeSocket.last;
const sentOf = (type: string): readonly object[] => last().sent.filter((message) => message.type === type);
const YOU_VIEWER = YOU.replace(',"moderate"', "");
const HOUR_MS = 3_600_000;

let behind: Behind | null = null;

async function enter(you = YOU): Promise<Room> {
  const room = new Room({ room: "x", identity: new Identity("x", null), pictureBehind: () => behind, onChange: () => undefined, onBurst: () => undefined });
  room.open();
  await vi.advanceTimersByTimeAsync(0);
  last().opens();
  last().says(you, WELCOME_FRESH, STATE);
  return room;
}

/** The connection is lost, and there is another one, which has said hello. */
async function comeBack(): Promise<void> {
  last().ends(1006);
  await vi.advanceTimersByTimeAsync(1000);
  last().opens();
}

beforeEach(() => {
  fakeBrowser();
  vi.setSystemTime(1_795_000_000_041);
  behind = null;
});
afterEach(realBrowser);

describe("acts", () => {
  it("that were sent again have their time anew", async () => {
    const room = await enter();
    const outcomes: Outcome[] = [];
    void room.act({ type: "clear" }).then((outcome) => outcomes.push(outcome));
    for (let away = 0; away < 4; away += 1) {
      last().ends(1006);
      await vi.advanceTimersByTimeAsync(5000);
    }
    last().opens();
    last().says(YOU, WELCOME_COMPLETE);
    await vi.advanceTimersByTimeAsync(2000);
    const [request] = sentOf("act") as { client_id: string }[];
    expect([request !== undefined, outcomes]).toEqual([true, []]);
    last().says(`{"type":"ack","client_id":"${request?.client_id}","outcome":{"type":"accepted","seq":91,"id":"a-1"}}`);
    await vi.advanceTimersByTimeAsync(0);
    expect(outcomes).toMatchObject([{ type: "accepted" }]);
  });

  it("are refused at once where the connection does not come back", async () => {
    const room = await enter();
    const waiting = room.act({ type: "clear" });
    last().ends(4010);
    const refused = { type: "refused", code: "unavailable" };
    expect([await waiting, await room.act({ type: "unpin" })]).toMatchObject([refused, refused]);
  });
});

describe("what one says", () => {
  it("is refused when too much of it waits, and then goes as it was said", async () => {
    const room = await enter();
    last().ends(1006);
    const said = Array.from({ length: PENDING_MAX + 1 }, (_, index) => room.say(String(index), null));
    expect([said.indexOf(false), said.length]).toEqual([PENDING_MAX, PENDING_MAX + 1]);
    await vi.advanceTimersByTimeAsync(1000);
    last().opens();
    last().says(YOU, WELCOME_COMPLETE);
    expect(sentOf("publish").length).toBe(PENDING_MAX);
    expect(sentOf("publish")[0]).toMatchObject({ text: "0" });
  });
});

describe("roles", () => {
  it("that change take no figures away", async () => {
    const room = await enter(YOU_VIEWER);
    last().says(YOU);
    expect([room.canModerate, room.state.whole?.likes]).toEqual([true, 1234]);
    await comeBack();
    last().says(YOU);
    expect(room.state.whole).toBeNull();
  });

  it("of a moderator come with what moderators have, also after a reconnect", async () => {
    await enter(YOU_VIEWER);
    await comeBack();
    expect(last().sent).toMatchObject([{ type: "hello", resume: { seq: 40 } }]);
    last().says(YOU);
    last().opens();
    expect([FakeSocket.all.length, last().sent]).toMatchObject([3, [{ type: "hello", resume: null }]]);
    last().says(YOU, WELCOME_FRESH);
    expect(FakeSocket.all.length).toBe(3);
  });
});

describe("the picture's place", () => {
  it("is told once the room is open, if it was found before the welcome", async () => {
    const room = new Room({ room: "x", identity: new Identity("x", null), pictureBehind: () => behind, onChange: () => undefined, onBurst: () => undefined });
    room.open();
    await vi.advanceTimersByTimeAsync(0);
    last().opens();
    behind = { ms: 4000, byClock: false };
    await vi.advanceTimersByTimeAsync(1000);
    last().says(YOU_VIEWER, WELCOME_FRESH);
    expect(last().sent).toMatchObject([{ type: "hello", hold_ms: 0 }, { type: "hold", hold_ms: 4000 }]);
    await comeBack();
    last().says(YOU_VIEWER, WELCOME_FRESH);
    expect(last().sent).toMatchObject([{ type: "hello", hold_ms: 4000 }]);
  });

  it("is by the edge's clock, whatever the viewer's says", async () => {
    const edgeMs = Date.now();
    vi.setSystemTime(edgeMs - HOUR_MS);
    const room = await enter(YOU_VIEWER);
    last().says(PONG);
    // A distance from the end of the playlist needs no clock.
    behind = { ms: 3000, byClock: false };
    await vi.advanceTimersByTimeAsync(1000);
    expect(sentOf("hold")).toMatchObject([{ hold_ms: 3000 }]);
    room.say("a", null);
    // The time of the picture is the camera's: by this clock it is to come.
    behind = { ms: 9000 - HOUR_MS, byClock: true };
    await vi.advanceTimersByTimeAsync(1000);
    expect(sentOf("hold")).toMatchObject([{ hold_ms: 3000 }, { hold_ms: 9000 }]);
    room.say("b", null);
    expect(sentOf("publish")).toMatchObject([{ media_ms: edgeMs + 1000 - 3000 }, { media_ms: edgeMs + 2000 - 9000 }]);
  });
});

describe("a guest", () => {
  it("who comes back as nobody, with a token that has ended, is one again", async () => {
    localStorage.setItem("weir.guest", JSON.stringify({ token: "old", user: { id: "u-ada", name: "Ada" }, expires_at_ms: Date.now() + HOUR_MS }));
    await enter(YOU_VIEWER);
    const body = { token: "new", user: { id: "u-ada", name: "Ada" }, expires_at_ms: Date.now() + 9 * HOUR_MS };
    vi.stubGlobal("fetch", () => Promise.resolve(new Response(JSON.stringify(body))));
    vi.setSystemTime(Date.now() + 2 * HOUR_MS);
    last().ends(1006);
    await vi.advanceTimersByTimeAsync(500);
    last().opens();
    last().says('{"type":"you","user":{"id":"listener-1","name":"","roles":[],"level":0},"server_ms":1,"heartbeat_ms":20000,"can":[]}', WELCOME_COMPLETE);
    await vi.advanceTimersByTimeAsync(1000);
    expect(last().url.searchParams.get("token")).toBe("new");
  });
});
