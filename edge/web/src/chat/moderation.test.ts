import { describe, expect, it } from "vitest";
import { patchOf } from "./moderation";
import { isOn, linksKey, reasonOf, valueOf } from "./words";

const settings = {
  slow_mode_ms: 5000,
  restrict: ["subscriber", "vip"],
  chat_per_second_max: 20,
  attrs: [{ key: "emote_only", value: "on" }, { key: "links", value: '"forbid"' }, { key: "theirs", value: "7" }],
};

describe("rules", () => {
  it("are changed where they differ, and nowhere else", () => {
    const attrs = [{ key: "emote_only", value: "true" }, { key: "unique", value: "" }, { key: "links", value: '"forbid"' }];
    expect(patchOf(settings, { slow_mode_ms: 5000, restrict: ["vip", "subscriber"], chat_per_second_max: 20, attrs })).toBeNull();
    expect(patchOf(settings, { slow_mode_ms: 0, restrict: [], chat_per_second_max: 20, attrs: [{ key: "emote_only", value: "" }] })).toEqual({
      slow_mode_ms: 0, restrict: [], attrs: [{ key: "emote_only", value: "" }],
    });
    expect(patchOf(settings, { attrs: [{ key: "links", value: "" }] })).toEqual({ attrs: [{ key: "links", value: "" }] });
  });
  it("are JSON, or words", () => {
    expect(["true", "on", "1", "false", "", "maybe"].map((value) => isOn([{ key: "x", value }], "x"))).toEqual([true, true, true, false, false, false]);
    expect(valueOf(settings.attrs, "links")).toBe("forbid");
    expect(['"allow"', "listed", ""].map(linksKey)).toEqual(["mod.linksAllow", "mod.linksListed", "mod.linksDefault"]);
  });
});

it("says why in our words, else in the server's", () => {
  expect(reasonOf("slow-mode", "Wait.")).toBe("slow mode is on");
  expect(reasonOf("made-up", "In its own words.")).toBe("In its own words.");
  expect(reasonOf("made-up", "")).toBe("made-up");
});
