import { describe, expect, it } from "vitest";
import * as golden from "./golden";
import { Hold } from "./hold";
import { parseServerMessage, type StateChange, type StateWhole } from "./protocol";
import { SseParser } from "./sse";
import { liked, listed, reduceState, UNKNOWN } from "./state";
import { colourOf, lengthOf, otherHost, pieces } from "./text";
import LINKS from "../../../../wasm-filters/filters/chat/src/links.json";

describe("protocol", () => {
  it("reads every golden line", () => {
    for (const line of Object.values(golden)) {
      if (typeof line === "string") {
        expect(parseServerMessage(line)).not.toBeNull();
      }
    }
  });
  it("does not fall over nonsense", () => {
    expect(["", "x", "[]", "null", '{"type":"tomorrow"}'].map(parseServerMessage)).toEqual([null, null, null, null, null]);
    expect(parseServerMessage('{"type":"events","events":[{"seq":1,"body":{"type":"hologram"}},null]}')).toMatchObject({
      events: [{ seq: 1, body: { type: "void" } }, { seq: 0, body: { type: "void" } }],
    });
    expect(parseServerMessage('{"type":"own","message":{"author":7,"text":{}}}')).toMatchObject({ message: { text: "", author: { name: "" } } });
  });
});

describe("state", () => {
  const state = (json: string): StateWhole | StateChange => parseServerMessage(json) as StateWhole | StateChange;
  const whole = reduceState(UNKNOWN, state(golden.STATE), "u-me");
  it("takes changes that follow, and no others", () => {
    expect(reduceState(whole, state(golden.CHANGE), "u-me")).toMatchObject({ burst: 6, whole: { likes: 1240, version: 9 } });
    expect(reduceState(whole, state(golden.CHANGE.replace(":9,", ":11,")), "u-me")).toMatchObject({ burst: 0, whole: { version: 8 } });
    expect(reduceState(UNKNOWN, state(golden.CHANGE), "u-me").whole).toBeNull();
    expect(reduceState(whole, state(golden.CHANGE_CROWD), "u-me").whole?.version).toBe(8);
    const crowd = reduceState(UNKNOWN, state(golden.STATE_CROWD), "u-me");
    expect(reduceState(crowd, state(golden.CHANGE_CROWD), "u-me").whole?.audience.type).toBe("crowd");
    expect(reduceState(crowd, state(golden.CHANGE_ANEW), "u-me")).toMatchObject({ moves: { joined: [], left: [] }, whole: { audience: { type: "everybody" } } });
  });
  it("does not show one's own hearts again", () => {
    const after = reduceState(liked(whole, 4), state(golden.CHANGE), "u-me");
    expect(after).toMatchObject({ burst: 2, owed: 0 });
  });
  it("names who came and went, but not oneself", () => {
    const bob = reduceState(UNKNOWN, state(golden.STATE.replaceAll("u-ada", "u-bob").replaceAll("Ada", "Bob")), "u-me");
    expect(reduceState(bob, state(golden.CHANGE_MOVES), "u-me").moves).toEqual({ joined: ["Ada"], left: ["Bob"] });
    expect(reduceState(bob, state(golden.CHANGE_MOVES), "u-ada").moves.joined).toEqual([]);
  });
  it("lists by role, then by name", () => {
    const members = [["z", []], ["b", ["vip"]], ["a", []], ["m", ["moderator"]], ["h", ["broadcaster"]]].map(([name, roles]) => ({ id: String(name), name: String(name), roles: roles as string[] }));
    expect(listed({ type: "everybody", members }, (a, b) => a.localeCompare(b)).map(({ name }) => name)).toEqual(["h", "m", "b", "a", "z"]);
  });
});

describe("hold", () => {
  it("tells larger changes only, and never more than a minute", () => {
    const hold = new Hold();
    expect(hold.observe(null, true)).toBeNull();
    expect(hold.observe(2040, true)).toBe(2000);
    expect([2300, 2100, 1900, 2400].map((ms) => hold.observe(ms, true))).toEqual([null, null, null, null]);
    expect(hold.observe(9000, true)).toBe(9000);
    expect(hold.observe(500_000, true)).toBe(60_000);
    expect(hold.observe(500_000, false)).toBe(0);
    expect(hold.observe(3000, false)).toBeNull();
    expect(hold.observe(3000, true)).toBe(3000);
  });
});

describe("sse", () => {
  it("puts events together from any pieces", () => {
    const parser = new SseParser();
    const stream = ':hi\n\nid: 1.2\ndata: {"a":1}\n\ndata:x\r\ndata: y\r\n\r\nevent: z\n\n';
    expect([...stream].flatMap((character) => parser.push(character))).toEqual(['{"a":1}', "x\ny"]);
    expect(new SseParser().push(stream)).toEqual(['{"a":1}', "x\ny"]);
  });
});

describe("text", () => {
  it("finds links of the web only", () => {
    expect(pieces("see https://a.example/x_(y). ok", [])).toEqual([
      { type: "text", text: "see " },
      { type: "link", text: "https://a.example/x_(y)", href: "https://a.example/x_(y)", host: "a.example" },
      { type: "text", text: ". ok" },
    ]);
    for (const text of ["javascript:alert(1)", "data:text/html,x", "https://", "http://user:pw@bank.example/", "<b>x</b>"]) {
      expect(pieces(text, []).map(({ type }) => type)).not.toContain("link");
    }
  });
  it("ends links where the chat filter does, or before", () => {
    for (const { text, page, filter } of LINKS) {
      const hosts = pieces(text, []).flatMap((piece) => (piece.type === "link" ? [new URL(piece.href).hostname] : []));
      expect([text, hosts]).toEqual([text, page]);
      // What the page links to, the filter has seen, or what begins so and is on no list.
      expect([text, hosts.every((host) => host.startsWith("xn--") || filter.some((seen) => seen.startsWith(host)))]).toEqual([text, true]);
    }
  });
  it("says where a link goes that reads otherwise", () => {
    const said = (text: string): readonly string[] => pieces(text, []).flatMap((piece) => (piece.type === "link" ? [otherHost(piece)] : []));
    expect(said("https://A.example:443/x http://a.example:80 https://a.example?x https://a.example:8443/")).toEqual(["", "", "", ""]);
    expect(said("https://\u0430pple.com/x http://0x7f.1/ https://a.example\\b")).toEqual(["xn--pple-43d.com", "127.0.0.1", ""]);
  });
  it("finds mentions, one's own with its spaces", () => {
    expect(pieces("hi @Ann Lee, and @bob. a@b.example", ["Ann Lee"])).toEqual([
      { type: "text", text: "hi " },
      { type: "mention", text: "@Ann Lee", me: true },
      { type: "text", text: ", and " },
      { type: "mention", text: "@bob", me: false },
      { type: "text", text: ". a@b.example" },
    ]);
  });
  it("keeps every character", () => {
    for (const text of ["", "a", "@", "https://", "👨‍👩‍👧 @ü https://x.example/🙂?q=1), @a@b", "http://[", "مرحبا @سارة"]) {
      expect(pieces(text, ["x"]).map((piece) => piece.text).join("")).toBe(text);
    }
  });
  it("counts as the server does", () => {
    expect(lengthOf("aü👋")).toEqual({ characters: 3, bytes: 7 });
  });
  it("spreads colours", () => {
    const colours = new Set(Array.from({ length: 200 }, (_, index) => colourOf(`u-${index}`, 12)));
    expect(colours.size).toBe(12);
  });
});
