import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Connection, type ConnectionOptions, type LinkState } from "./connection";
import { fakeBrowser, FakeEvents, FakeSocket, realBrowser } from "./fake-edge";
import { NOTICE, WELCOME_FRESH, YOU } from "./golden";
import type { ServerMessage } from "./protocol";

const last = (): FakeSocket => FakeSocket.last;

function start(more: Partial<ConnectionOptions> = {}): { connection: Connection; states: LinkState[]; messages: ServerMessage[] } {
  const states: LinkState[] = [];
  const messages: ServerMessage[] = [];
  const connection = new Connection({
    room: "a b",
    token: () => "t.1",
    resume: () => ({ epoch: 5, seq: 7 }),
    holdMs: () => 2000,
    onMessage: (message) => messages.push(message),
    onState: (state) => states.push(state),
    renew: () => Promise.resolve("no"),
    ...more,
  });
  connection.open();
  return { connection, states, messages };
}

beforeEach(() => void fakeBrowser());
afterEach(realBrowser);

describe("connection", () => {
  it("says hello, and is open with the welcome", () => {
    const { connection, states, messages } = start();
    expect(last().url.href).toBe("wss://edge.example/api/rooms/a%20b/socket?token=t.1");
    last().opens();
    expect(last().sent).toEqual([{ type: "hello", resume: { epoch: 5, seq: 7 }, hold_ms: 2000 }]);
    expect(connection.send({ type: "like", count: 1 })).toBe(false);
    last().says(YOU, WELCOME_FRESH);
    expect(messages.map(({ type }) => type)).toEqual(["you", "welcome"]);
    expect(states).toEqual(["open"]);
    expect(connection.send({ type: "like", count: 1 })).toBe(true);
  });

  it("notices a link that is dead", () => {
    start();
    last().opens();
    last().says(YOU, WELCOME_FRESH);
    vi.advanceTimersByTime(20_000);
    expect(last().sent.at(-1)).toEqual({ type: "ping", nonce: 1 });
    last().says('{"type":"pong","nonce":1,"server_ms":1}');
    vi.advanceTimersByTime(20_000);
    expect(FakeSocket.all.length).toBe(1);
    vi.advanceTimersByTime(10_000 + 500);
    expect(FakeSocket.all.length).toBe(2);
  });

  it("comes again when the edge says, and not before", () => {
    const { states } = start();
    last().opens();
    last().says(YOU, WELCOME_FRESH, '{"type":"close","code":"draining","retry_after_ms":4000}');
    last().ends(4001);
    vi.advanceTimersByTime(3999);
    expect(FakeSocket.all.length).toBe(1);
    vi.advanceTimersByTime(1);
    expect(FakeSocket.all.length).toBe(2);
    expect(states).toEqual(["open", "waiting", "connecting"]);
  });

  it("stays away when it was sent away", () => {
    for (const [code, state] of [[4010, "removed"], [4012, "superseded"], [4002, "broken"]] as const) {
      const { states } = start();
      last().opens();
      last().says(YOU, WELCOME_FRESH);
      const before = FakeSocket.all.length;
      last().ends(code);
      vi.advanceTimersByTime(120_000);
      expect([states.at(-1), FakeSocket.all.length]).toEqual([state, before]);
    }
  });

  it("gets another token when its own has ended", async () => {
    const renew = vi.fn<ConnectionOptions["renew"]>(() => Promise.resolve("again"));
    start({ renew });
    last().opens();
    last().says(YOU, WELCOME_FRESH);
    last().ends(4011);
    await vi.advanceTimersByTimeAsync(1000);
    expect(renew).toHaveBeenCalledWith(false, "t.1");
    expect(FakeSocket.all.length).toBe(2);
  });

  it("asks once more for a token where nobody answered", async () => {
    const renew = vi.fn<ConnectionOptions["renew"]>(() => Promise.resolve("later"));
    const { connection, states } = start({ renew });
    last().opens();
    last().says(YOU, WELCOME_FRESH);
    last().ends(4011);
    await vi.advanceTimersByTimeAsync(2000);
    const before = renew.mock.calls.length;
    expect([before > 1, states.at(-1), FakeSocket.all.length]).toEqual([true, "waiting", 1]);
    renew.mockResolvedValue("again");
    connection.nudge();
    await vi.advanceTimersByTimeAsync(0);
    expect(renew).toHaveBeenCalledTimes(before + 1);
    connection.nudge();
    expect(FakeSocket.all.length).toBe(2);
  });

  it("tries events where sockets do not open, and tells what the status means", async () => {
    const fetched = vi.fn((_url: URL | string, _init?: RequestInit) => Promise.resolve(new Response(null, { status: 404 })));
    vi.stubGlobal("fetch", fetched);
    const { connection, states } = start();
    last().ends(1006);
    await vi.advanceTimersByTimeAsync(600);
    last().ends(1006);
    expect(connection.way).toBe("sse");
    await vi.advanceTimersByTimeAsync(1000);
    expect(String(fetched.mock.calls[0]?.[0])).toBe("https://edge.example/api/rooms/a%20b/events?resume=5.7&hold_ms=2000");
    expect(states.at(-1)).toBe("absent");
  });

  it("stays with sockets where they worked, for a while", async () => {
    const { connection } = start();
    last().opens();
    last().says(YOU, WELCOME_FRESH);
    for (let attempt = 0; attempt < 8; attempt += 1) {
      last().ends(1006);
      expect(connection.way).toBe("ws");
      await vi.advanceTimersToNextTimerAsync();
    }
    last().ends(1006);
    expect(connection.way).toBe("sse");
  });

  it("reads events, and posts to their session", async () => {
    const posted: string[] = [];
    const body = `data: ${YOU}\n\ndata: ${WELCOME_FRESH}\n\n`;
    const stream = (): ReadableStream<Uint8Array> => new ReadableStream({ start: (controller) => controller.enqueue(new TextEncoder().encode(body)) });
    vi.stubGlobal("fetch", (url: URL | string, init?: RequestInit) => {
      if (init?.method === "POST") {
        posted.push(`${String(url)} ${String(init.body)}`);
        return Promise.resolve(new Response(null, { status: 202 }));
      }
      return Promise.resolve(new Response(stream(), { status: 200 }));
    });
    const { connection, states } = start();
    last().ends(1006);
    await vi.advanceTimersByTimeAsync(600);
    last().ends(1006);
    await vi.advanceTimersByTimeAsync(1000);
    await vi.waitFor(() => expect(states.at(-1)).toBe("open"));
    connection.send({ type: "like", count: 2 });
    await vi.waitFor(() => expect(posted).toEqual(['/api/rooms/a%20b/messages?session=s-3 {"type":"like","count":2}']));
  });

  describe("by events", () => {
    const listen = async (): Promise<{ connection: Connection; events: FakeEvents[]; states: LinkState[] }> => {
      const events: FakeEvents[] = [];
      vi.stubGlobal("fetch", () => {
        const stream = new FakeEvents();
        events.push(stream);
        return Promise.resolve(stream.response);
      });
      const { connection, states } = start();
      last().ends(1006);
      await vi.advanceTimersByTimeAsync(600);
      last().ends(1006);
      await vi.advanceTimersByTimeAsync(1000);
      events[0]?.says(YOU, WELCOME_FRESH);
      await vi.advanceTimersByTimeAsync(0);
      expect(states.at(-1)).toBe("open");
      return { connection, events, states };
    };

    it("lives as long as the edge's comments come", async () => {
      const { events, states } = await listen();
      const before = states.length;
      for (let beat = 0; beat < 10; beat += 1) {
        await vi.advanceTimersByTimeAsync(20_000);
        document.dispatchEvent(new Event("visibilitychange"));
        await vi.advanceTimersByTimeAsync(6000);
        events[0]?.beats();
        await vi.advanceTimersByTimeAsync(0);
      }
      expect([events.length, states.length]).toEqual([1, before]);
    });

    it("says no more of what it left behind", async () => {
      const texts: string[] = [];
      const events = new FakeEvents();
      vi.stubGlobal("fetch", () => Promise.resolve(events.response));
      const connection = start({
        onMessage: (message) => {
          texts.push(message.type);
          if (message.type === "notice") {
            connection.open();
          }
        },
      }).connection;
      last().ends(1006);
      await vi.advanceTimersByTimeAsync(600);
      last().ends(1006);
      await vi.advanceTimersByTimeAsync(1000);
      events.beats([YOU, WELCOME_FRESH, NOTICE, NOTICE, NOTICE].map((text) => `data: ${text}\n\n`).join(""));
      await vi.advanceTimersByTimeAsync(0);
      expect(texts).toEqual(["you", "welcome", "notice"]);
    });

    it("goes on where a POST is not answered", async () => {
      const { connection } = await listen();
      const posted: string[] = [];
      vi.stubGlobal("fetch", (_url: string, init: RequestInit) => {
        posted.push(String(init.body));
        return new Promise((_, reject) => init.signal?.addEventListener("abort", () => reject(new Error("aborted"))));
      });
      connection.send({ type: "like", count: 1 });
      connection.send({ type: "like", count: 2 });
      await vi.advanceTimersByTimeAsync(9000);
      expect(posted.length).toBe(1);
      await vi.advanceTimersByTimeAsync(2000);
      expect(posted.length).toBe(2);
    });

    it("is dead when they do not come", async () => {
      const { states } = await listen();
      await vi.advanceTimersByTimeAsync(61_000);
      expect(states).toContain("waiting");
    });
  });
});
