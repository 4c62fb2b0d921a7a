import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Images } from "./images";

const AT_MS = Date.parse("2026-11-21T10:00:05.000Z");
let files: Record<string, string>;
let nowMs: number;

/** What an origin serves whose lowest rendition has this name. */
function stream(rendition: string): Record<string, string> {
  return {
    "/live/demo/index.m3u8": `#EXTM3U\n#EXT-X-IMAGE-STREAM-INF:BANDWIDTH=1,URI="${rendition}/images.m3u8"\n`,
    [`/live/demo/${rendition}/images.m3u8`]:
      '#EXTM3U\n#EXT-X-WEIR-OPEN-TILE:URI="7.2.jpg",PROGRAM-DATE-TIME="2026-11-21T10:00:00.000Z",COUNT=2,RESOLUTION=160x90,LAYOUT=3x2,DURATION=10.0\n',
  };
}

beforeEach(() => {
  nowMs = 0;
  vi.spyOn(performance, "now").mockImplementation(() => nowMs);
  vi.stubGlobal("location", { href: "https://weir.test/watch/demo" });
  vi.stubGlobal("fetch", async (url: URL) => {
    const text = files[url.pathname];
    return Promise.resolve(new Response(text ?? "", { status: text === undefined ? 404 : 200 }));
  });
});

afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

/** Where the picture of `AT_MS` is, some seconds after the last look. */
async function look(images: Images): Promise<string | null> {
  nowMs += 6000;
  await images.refresh();
  const picture = images.at(AT_MS);
  return picture === null ? null : images.url(picture.tile);
}

test("the list is found again where another start of the stream has it", async () => {
  files = stream("360p");
  const images = new Images("demo", "t");
  expect(await look(images)).toBe("/live/demo/360p/7.2.jpg?token=t");
  files = stream("240p");
  // What is known stays while it cannot be told whether it is gone.
  expect(await look(images)).toBe("/live/demo/360p/7.2.jpg?token=t");
  expect(await look(images)).toBe("/live/demo/240p/7.2.jpg?token=t");
  files = { "/live/demo/index.m3u8": "#EXTM3U\n" };
  await look(images);
  expect(await look(images)).toBe(null);
});
