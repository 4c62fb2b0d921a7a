import { describe, expect, it, vi } from "vitest";
import { patchOf, wantedOf } from "./moderation";
import { isOn, linksKey, reasonOf, reviewPhrase, valueOf } from "./words";

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
  it("that another moderator changes while the form is filled in stay", () => {
    const data = new FormData();
    for (const [name, value] of [["slow", "5"], ["cap", "30"], ["subscribers", "on"], ["emote_only", "on"], ["links", "forbid"]] as const) {
      data.set(name, value);
    }
    // Whatever they are by now: of what this form was filled from, the cap is what differs.
    expect(patchOf(settings, wantedOf(data, settings))).toEqual({ chat_per_second_max: 30 });
    data.set("cap", "20");
    expect(patchOf(settings, wantedOf(data, settings))).toBeNull();
    const odd = { ...settings, slow_mode_ms: 4600, restrict: ["verified"], attrs: [{ key: "emote_only", value: "1" }, { key: "links", value: "some" }] };
    data.delete("subscribers");
    data.set("links", "default");
    expect(patchOf(odd, wantedOf(data, odd))).toBeNull();
    data.set("subscribers", "on");
    expect(patchOf(odd, wantedOf(data, odd))).toEqual({ restrict: ["subscriber", "vip", "bot"] });
  });
  it("are JSON, or words", () => {
    expect(["true", "on", "1", "false", "", "maybe"].map((value) => isOn([{ key: "x", value }], "x"))).toEqual([true, true, true, false, false, false]);
    expect(valueOf(settings.attrs, "links")).toBe("forbid");
    expect(['"allow"', "listed", ""].map(linksKey)).toEqual(["mod.linksAllow", "mod.linksListed", "mod.linksDefault"]);
  });
});

it("says why something is to be reviewed", () => {
  vi.stubGlobal("navigator", { languages: ["en"] });
  const said = (kind: "held" | "report", reason: string): string => reviewPhrase(kind, reason).replace(/[\u2068\u2069]/g, "");
  expect([said("held", "words, links"), said("held", "made up"), said("held", "")]).toEqual(["Held by the filter: a word and a link", "Held by the filter: made up", "Held by the filter"]);
  expect([said("report", "rude"), said("report", "")]).toEqual(["Reported: rude", "Reported"]);
  vi.unstubAllGlobals();
});

it("says why in our words, else in the server's", () => {
  expect(reasonOf("slow-mode", "Wait.")).toBe("slow mode is on");
  expect(reasonOf("made-up", "In its own words.")).toBe("In its own words.");
  expect(reasonOf("made-up", "")).toBe("made-up");
});
