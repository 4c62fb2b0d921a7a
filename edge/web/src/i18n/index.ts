/** The pages' words in the reader's language. A part of the page says what it shows with `t`, or with `data-i18n` attributes. */

import { type Catalogue, en, type Entry, type Key } from "./en";
import { es } from "./es";
import { zh } from "./zh";

export type { Key } from "./en";

export const LANGUAGES = { en: "English", zh: "中文", es: "Español" } as const;
export type Language = keyof typeof LANGUAGES;
export const CATALOGUES: Readonly<Record<Language, Catalogue>> = { en, zh, es };
export type Params = Readonly<Record<string, string | number>>;

const STORAGE_KEY = "weir.language";
/** What is put into a sentence has a direction of its own. */
const ISOLATE = "\u2068";
const POP = "\u2069";

/** To make one of these takes longer than to use it a hundred times, and a draw needs ten. */
const made = new Map<string, unknown>();

function kept<T>(kind: string, language: string, make: () => T): T {
  const key = `${kind} ${language}`;
  const known = made.get(key) as T | undefined;
  const format = known ?? make();
  made.set(key, format);
  return format;
}

function numbers(language: string, kind = "number", options: Intl.NumberFormatOptions = {}): Intl.NumberFormat {
  return kept(kind, language, () => new Intl.NumberFormat(language, options));
}

/** The first of the reader's languages that the pages have. Pure. */
export function chooseLanguage(wanted: readonly string[]): Language {
  for (const tag of wanted) {
    const [primary = ""] = tag.toLowerCase().split("-");
    if (primary in LANGUAGES) {
      return primary as Language;
    }
  }
  return "en";
}

/** An entry with its placeholders filled in. Pure. */
export function fill(entry: Entry, params: Params, language: Language): string {
  const n = params["n"];
  let form: string;
  if (typeof entry === "string") {
    form = entry;
  } else {
    const chosen = kept("plural", language, () => new Intl.PluralRules(language)).select(typeof n === "number" ? n : 0);
    form = (chosen === "one" ? entry.one : undefined) ?? entry.other;
  }
  return form.replace(/\{(\w+)\}/g, (placeholder, name: string) => {
    const value = params[name];
    switch (typeof value) {
      case "number":
        return numbers(language).format(value);
      case "string":
        return isolated(value);
      default:
        return placeholder;
    }
  });
}

/** With a direction of its own, and without what would turn that of the words around it. Isolates that are closed stay. Pure. */
export function isolated(text: string): string {
  let open = 0;
  let plain = "";
  for (const character of text.replace(/[\u202a-\u202e\u2066\u2067]/g, "")) {
    if (character !== POP || open > 0) {
      open += character === ISOLATE ? 1 : character === POP ? -1 : 0;
      plain += character;
    }
  }
  return ISOLATE + plain + POP.repeat(open + 1);
}

let current: Language = "en";
const listeners: (() => void)[] = [];

export function language(): Language {
  return current;
}

/** The reader's own kind of the language, for numbers and times: `en-GB` for English in Britain. */
export function locale(): string {
  return navigator.languages.find((tag) => tag.toLowerCase().split("-")[0] === current) ?? current;
}

/** The text for `key` in the reader's language. */
export function t(key: Key, params: Params = {}): string {
  return fill(CATALOGUES[current][key], params, current);
}

/** Whether there is such a key: for codes that a server makes up. */
export function hasKey(key: string): key is Key {
  return Object.hasOwn(en, key);
}

/** `1,234`, and `12K` where there is little room. */
export function formatNumber(value: number, compact = false): string {
  const short = compact && value >= 10_000;
  return (short ? numbers(locale(), "compact", { notation: "compact", maximumFractionDigits: 1 }) : numbers(locale())).format(value);
}

/** `Ann, Bob and Cem`, each with a direction of its own. */
export function formatList(items: readonly string[]): string {
  return kept("list", locale(), () => new Intl.ListFormat(locale(), { type: "conjunction" })).format(items.map(isolated));
}

const UNITS = [["day", 86_400], ["hour", 3600], ["minute", 60], ["second", 1]] as const;

/** In the largest unit that a time is a multiple of, or many times as long as; else in two, where one would be far off. Pure. */
export function durationParts(ms: number): readonly (readonly [number, string])[] {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  for (const [at, [unit, length]] of UNITS.entries()) {
    const [part, partLength] = UNITS[at + 1] ?? [unit, length];
    const count = Math.floor(seconds / length);
    const rest = Math.ceil((seconds % length) / partLength);
    if (count > 0 && (rest === 0 || count >= 10 || rest * partLength === length)) {
      return [[rest === 0 ? count : count + 1, unit]];
    }
    if (count > 1) {
      return [[count, unit], [rest, part]];
    }
  }
  return [[seconds, "second"]];
}

/** `5 sec`, `2 min 30 sec`, `2 hr`. */
export function formatDuration(ms: number): string {
  const parts = durationParts(ms).map(([value, unit]) => numbers(locale(), unit, { style: "unit", unit, unitDisplay: "short" }).format(value));
  return kept("units", locale(), () => new Intl.ListFormat(locale(), { type: "unit", style: "narrow" })).format(parts);
}

/** Orders names as the reader's language does. */
export function compareNames(one: string, other: string): number {
  return kept("names", current, () => new Intl.Collator(current)).compare(one, other);
}

/** How long something has run. */
export function formatElapsed(fromMs: number, nowMs: number): string {
  const minutes = Math.floor((nowMs - fromMs) / 60_000);
  if (minutes < 1) {
    return t("time.justNow");
  }
  if (minutes < 60) {
    return t("time.minutes", { n: minutes });
  }
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? t("time.hours", { hours, minutes: String(minutes % 60).padStart(2, "0") }) : t("time.days", { n: Math.floor(hours / 24) });
}

/** Called when the reader chooses another language. */
export function onLanguage(listener: () => void): void {
  listeners.push(listener);
}

export function setLanguage(chosen: Language): void {
  try {
    localStorage.setItem(STORAGE_KEY, chosen);
  } catch {
    // It lasts as long as the page.
  }
  begin(chosen);
  for (const listener of listeners) {
    listener();
  }
}

const ATTRIBUTES: readonly (readonly [string, string])[] = [
  ["data-i18n-label", "aria-label"],
  ["data-i18n-title", "title"],
  ["data-i18n-placeholder", "placeholder"],
];

/** Fills in what carries a key. */
export function localise(root: ParentNode): void {
  for (const element of root.querySelectorAll("[data-i18n]")) {
    const key = element.getAttribute("data-i18n") ?? "";
    if (hasKey(key)) {
      element.textContent = t(key);
    }
  }
  for (const [from, to] of ATTRIBUTES) {
    for (const element of root.querySelectorAll(`[${from}]`)) {
      const key = element.getAttribute(from) ?? "";
      if (hasKey(key)) {
        element.setAttribute(to, t(key));
      }
    }
  }
}

function begin(chosen: Language): void {
  current = chosen;
  document.documentElement.lang = chosen;
  localise(document);
}

/** At the start of a page: the language chosen before, or the browser's. */
export function beginLanguage(): void {
  let stored: string | null = null;
  try {
    stored = localStorage.getItem(STORAGE_KEY);
  } catch {
    // Then the browser's.
  }
  begin(chooseLanguage([...(stored === null ? [] : [stored]), ...navigator.languages]));
}

/** Fills a `<select>` with the languages, each by its own name. */
export function languageMenu(select: HTMLSelectElement): void {
  for (const [tag, name] of Object.entries(LANGUAGES)) {
    const option = document.createElement("option");
    option.value = tag;
    option.lang = tag;
    option.textContent = name;
    select.append(option);
  }
  select.value = current;
  select.addEventListener("change", () => setLanguage(chooseLanguage([select.value])));
}
