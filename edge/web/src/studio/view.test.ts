import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { checkGoal } from "../lib/money/check";
import { Loaded } from "../lib/money/loaded";
import type { Goal } from "../lib/money/types";
import { GOAL_FINE, type GoalDraft, goal, goalDraft } from "./view";

/** As much of an element as a view makes use of. */
class FakeElement {
  readonly attributes: Record<string, string> = {};
  readonly children: (FakeElement | string)[] = [];
  constructor(readonly name: string) {}
  readonly setAttribute = (name: string, value: string): void => void (this.attributes[name] = value);
  readonly append = (...children: (FakeElement | string)[]): void => void this.children.push(...children);

  find(is: (element: FakeElement) => boolean): FakeElement[] {
    return [...(is(this) ? [this] : []), ...this.children.flatMap((child) => (child instanceof FakeElement ? child.find(is) : []))];
  }
}

beforeEach(() => {
  vi.stubGlobal("document", { createElement: (name: string) => new FakeElement(name) });
  vi.stubGlobal("navigator", { languages: ["en"] });
});
afterEach(() => vi.unstubAllGlobals());

const GOAL: Goal = { title: "Mic", target: 100, progress: 40, setAtMs: 1, reachedAtMs: null };

async function form(busy: boolean, draft: GoalDraft): Promise<Record<string, FakeElement>> {
  const state = new Loaded<{ goal: Goal | null }>();
  await state.load(() => Promise.resolve({ goal: GOAL }), () => undefined);
  const nodes = goal(state, busy, draft).filter((node) => node !== null) as unknown as FakeElement[];
  const controls = nodes.flatMap((node) => node.find(({ name }) => name === "input" || name === "button" || name === "p"));
  return Object.fromEntries(controls.map((one) => [one.attributes["name"] ?? one.attributes["data-do"] ?? one.attributes["type"] ?? one.attributes["class"] ?? "", one]));
}

describe("the form of the goal", () => {
  it("takes nothing while it is busy, and leaves the focus where it is", async () => {
    for (const busy of [false, true]) {
      const { title, target, submit, "remove-goal": remove } = await form(busy, GOAL_FINE);
      const all = [title, target, submit, remove];
      expect(all.map((one) => one?.attributes["disabled"])).toEqual([undefined, undefined, undefined, undefined]);
      expect([title, target].map((one) => one?.attributes["readonly"] === "")).toEqual([busy, busy]);
      expect([submit, remove].map((one) => one?.attributes["aria-disabled"] === "true")).toEqual([busy, busy]);
    }
  });

  it("says what is wrong at the field that it is about", async () => {
    const marked = async (title: string, target: string): Promise<unknown[]> => {
      const parts = await form(false, goalDraft(checkGoal(title, target)));
      const error = parts["goal-error"];
      return [...["title", "target"].map((name) => parts[name]?.attributes["aria-describedby"] === error?.attributes["id"] && parts[name]?.attributes["aria-invalid"] === "true"), error?.children[0] !== ""];
    };
    expect([await marked("x".repeat(121), "5"), await marked(" ", "5"), await marked("Mic", "0"), await marked("Mic", "5")]).toEqual([[true, false, true], [true, false, true], [false, true, true], [false, false, false]]);
  });
});
