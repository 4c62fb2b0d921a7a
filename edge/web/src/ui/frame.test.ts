import { afterEach, expect, it, vi } from "vitest";
import { onceAFrame } from "./frame";

afterEach(() => vi.unstubAllGlobals());

it("what changes a hundred times before a frame is drawn once, and again after the next change", () => {
  let frames: (() => void)[] = [];
  vi.stubGlobal("requestAnimationFrame", (run: () => void) => frames.push(run));
  const pass = (): number => {
    const due = frames;
    frames = [];
    due.forEach((run) => run());
    return due.length;
  };
  let drawn = 0;
  // What is drawn may change something.
  const schedule = onceAFrame(() => void ((drawn += 1) === 2 && schedule()));
  for (let change = 0; change < 100; change += 1) {
    schedule();
  }
  expect([drawn, pass(), drawn, pass()]).toEqual([0, 1, 1, 0]);
  schedule();
  expect([pass(), drawn, pass(), drawn, pass()]).toEqual([1, 2, 1, 3, 0]);
});
