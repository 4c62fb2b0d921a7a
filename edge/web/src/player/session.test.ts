import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Session } from "./session";

/** A browser that plays HLS itself, as far as a session looks at it. */
class Video extends EventTarget {
  paused = true;
  ended = false;
  seeking = false;
  muted = false;
  readyState = 4;
  currentTime = 0;
  src = "";
  error = null;
  from = 0;
  readonly buffered = { length: 0 };

  get seekable(): object {
    return { length: 1, start: () => this.from, end: () => this.from + 300 };
  }

  canPlayType(): string {
    return "maybe";
  }

  load(): void {
    this.dispatchEvent(new Event("loadedmetadata"));
  }

  pause(): void {
    this.paused = true;
    this.dispatchEvent(new Event("pause"));
  }

  async play(): Promise<void> {
    this.paused = false;
    this.dispatchEvent(new Event("play"));
    return Promise.resolve();
  }
}

let sample: () => void;

beforeEach(() => {
  const browser = Object.assign(new EventTarget(), { setInterval: (callback: () => void) => void (sample = callback) });
  vi.stubGlobal("window", browser);
  vi.stubGlobal("document", Object.assign(new EventTarget(), { visibilityState: "visible" }));
  vi.stubGlobal("HTMLMediaElement", { HAVE_CURRENT_DATA: 2 });
});

afterEach(() => vi.unstubAllGlobals());

test("who pauses and resumes otherwise than through the page goes on there, too", async () => {
  const video = new Video();
  const session = new Session({ video: video as unknown as HTMLVideoElement, stream: "demo", token: null, onChange: () => undefined });
  session.retry();
  video.currentTime = 290;
  sample();
  expect(session.state).toBe("playing");
  video.pause();
  expect(session.wanted).toBe(false);
  await video.play();
  expect(session.wanted).toBe(true);
  // The window has moved on: only who has chosen to be behind is taken along by its end.
  video.from = 400;
  sample();
  expect(video.currentTime).toBe(404);
});

test("who never paused is not taken for somebody who did", () => {
  const video = new Video();
  new Session({ video: video as unknown as HTMLVideoElement, stream: "demo", token: null, onChange: () => undefined }).retry();
  video.currentTime = 290;
  sample();
  video.from = 400;
  sample();
  expect(video.currentTime).toBe(290);
});
