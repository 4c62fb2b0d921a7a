import { describe, expect, it } from "vitest";
import { COLOURS } from "./line";

// Vitest leaves style sheets empty, and the project has no types of Node.
const { readFileSync } = (await import("node:fs" as string)) as { readFileSync(path: URL, encoding: string): string };
const chat = readFileSync(new URL("../styles/chat.css", import.meta.url), "utf8");

/** Relative luminance of `#rrggbb`, as WCAG 2 has it. */
function luminance(colour: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const value = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function contrast(one: string, other: string): number {
  const [dark = 0, light = 0] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
}

const found = (pattern: RegExp): string => chat.match(pattern)?.[1] ?? "#000000";
/** The ground beside the picture, that of what is pinned, and the scrim over a white picture at its lightest. */
const GROUNDS = [found(/--surface: (#\w{6})/), found(/--raised: (#\w{6})/), "#3c4143"];

describe("contrast", () => {
  it("of names", () => {
    for (let hue = 0; hue < COLOURS; hue += 1) {
      const colour = found(new RegExp(`\\.hue-${hue} \\{ color: (#\\w{6})`));
      for (const ground of GROUNDS) {
        expect([hue, ground, contrast(colour, ground) >= 4.5]).toEqual([hue, ground, true]);
      }
    }
  });
  it("of text and hints", () => {
    for (const name of ["text", "muted", "accent", "live"]) {
      const colour = found(new RegExp(`--${name}: (#\\w{6})`));
      expect([name, contrast(colour, GROUNDS[0] ?? ""), contrast(colour, GROUNDS[1] ?? "")].slice(1).every((ratio) => Number(ratio) >= 4.5)).toBe(true);
    }
  });
});
