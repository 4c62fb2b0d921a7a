import { describe, expect, it } from "vitest";
import { CATALOGUES, chooseLanguage, durationParts, fill, isolated, type Language } from ".";
import type { Entry, Key } from "./en";

/** The placeholders of each form, in any order. */
function placeholders(entry: Entry): readonly (readonly string[])[] {
  const forms = typeof entry === "string" ? [entry] : Object.values(entry);
  return forms.map((form) => [...form.matchAll(/\{(\w+)\}/g)].map(([, name]) => name ?? "").sort());
}

describe("languages", () => {
  const { en, ...others } = CATALOGUES;
  const keys = Object.keys(en) as Key[];

  it("have all keys", () => {
    for (const catalogue of Object.values(others)) {
      expect(Object.keys(catalogue).sort()).toEqual([...keys].sort());
    }
  });

  it("have the placeholders of the English", () => {
    for (const [language, catalogue] of Object.entries(CATALOGUES)) {
      for (const key of keys) {
        // A form for one need not say the number.
        const wanted = placeholders(en[key]).at(-1) ?? [];
        expect([language, key, placeholders(catalogue[key]).at(-1)]).toEqual([language, key, wanted]);
        expect(placeholders(catalogue[key]).flat().every((name) => wanted.includes(name))).toBe(true);
      }
    }
  });

  it("have no empty strings, and the plural forms of their language", () => {
    for (const [language, catalogue] of Object.entries(CATALOGUES)) {
      const categories = new Intl.PluralRules(language).resolvedOptions().pluralCategories;
      for (const key of keys) {
        const entry = catalogue[key];
        expect(typeof entry === "string" ? entry : entry.other).not.toBe("");
        if (typeof entry !== "string" && categories.includes("one")) {
          expect([key, entry.one !== undefined]).toEqual([key, true]);
        }
      }
    }
  });

  it("fill in numbers and isolated names", () => {
    const of = (language: Language, n: number): string => fill(CATALOGUES[language]["chat.newMessages"], { n }, language);
    expect([of("en", 1), of("en", 1200), of("es", 1), of("zh", 1)]).toEqual(["1 new message", "1,200 new messages", "1 mensaje nuevo", "1 条新消息"]);
    expect(fill(en["chat.joined"], { names: "سارة" }, "en")).toBe("\u2068سارة\u2069 joined");
    expect(fill("{x}", {}, "en")).toBe("{x}");
  });

  it("say times in the unit that fits", () => {
    const said = (s: number): string => durationParts(s * 1000).flat().join(" ");
    expect([0, 1, 60, 90, 120, 150, 553, 600, 601, 3600, 5400, 7200, 9000, 10_790, 86_400, 180_000].map(said)).toEqual([
      "0 second", "1 second", "1 minute", "90 second", "2 minute", "2 minute 30 second", "9 minute 13 second", "10 minute", "11 minute",
      "1 hour", "90 minute", "2 hour", "2 hour 30 minute", "3 hour", "1 day", "2 day 2 hour",
    ]);
  });

  it("let no name turn the sentence around it", () => {
    expect(isolated("a\u202eb\u2067c\u2069d")).toBe("\u2068abcd\u2069");
    expect(isolated("\u2069a\u2068b")).toBe("\u2068a\u2068b\u2069\u2069");
    expect(isolated(isolated("Ann"))).toBe("\u2068\u2068Ann\u2069\u2069");
    expect(fill("{x}!", { x: "\u202eevil" }, "en")).toBe("\u2068evil\u2069!");
  });

  it("say one or many of who comes", () => {
    expect([1, 2].map((n) => fill(CATALOGUES.es["chat.joined"], { names: "Ana", n }, "es"))).toEqual(["Llega \u2068Ana\u2069", "Llegan \u2068Ana\u2069"]);
  });

  it("say whose day it is where a day is counted by the server's clock", () => {
    const days = ["board.day", "earn.today", "earn.periodDay", "earn.perDay"] as const;
    expect(Object.values(CATALOGUES).flatMap((catalogue) => days.filter((key) => !String(catalogue[key]).includes("UTC")))).toEqual([]);
  });

  it("have no words that nobody says", () => {
    const sources = import.meta.glob(["../**/*.ts", "../../*.html", "!../**/*.test.ts", "!./e[ns].ts", "!./zh.ts", "!./*/{en,es,zh}.ts"], { query: "?raw", import: "default", eager: true });
    const all = Object.values(sources).join("\n");
    // Those of codes and roles are put together.
    const made = /^(code|held|role|roles|problem)\.|^wallet\.kind_/;
    expect(keys.filter((key) => !made.test(key) && !all.includes(`"${key}"`))).toEqual([]);
  });

  it("are chosen by the browser's list", () => {
    expect([["zh-CN", "en"], ["fr", "es-MX"], ["fr"], []].map(chooseLanguage)).toEqual(["zh", "es", "en", "en"]);
  });
});
