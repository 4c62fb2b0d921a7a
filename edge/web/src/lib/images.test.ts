import { expect, test } from "vitest";
import { imagesUri, parseImages, pictureAt } from "./images";

const PLAYLIST = `#EXTM3U
#EXT-X-VERSION:7
#EXT-X-TARGETDURATION:60
#EXT-X-MEDIA-SEQUENCE:7
#EXT-X-IMAGES-ONLY
#EXT-X-PROGRAM-DATE-TIME:2026-11-21T10:00:00.000Z
#EXTINF:60.0,
#EXT-X-TILES:RESOLUTION=160x90,LAYOUT=3x2,DURATION=10.0
28000000.6.jpg
#EXT-X-DISCONTINUITY
#EXT-X-PROGRAM-DATE-TIME:2026-11-21T10:01:02.000Z
#EXTINF:20.0,
#EXT-X-TILES:RESOLUTION=160x90,LAYOUT=3x2,DURATION=10.0
28000031.2.jpg
#EXT-X-WEIR-OPEN-TILE:URI="28000042.3.jpg",PROGRAM-DATE-TIME="2026-11-21T10:02:30.000Z",COUNT=3,RESOLUTION=160x90,LAYOUT=3x2,DURATION=10.0
`;

const at = (time: string): string | null => {
  const picture = pictureAt(parseImages(PLAYLIST), Date.parse(`2026-11-21T${time}Z`));
  return picture === null ? null : `${picture.tile.uri} ${picture.column},${picture.row}`;
};

test("a time finds its picture", () => {
  expect(at("09:59:59")).toBeNull();
  expect(at("10:00:00")).toBe("28000000.6.jpg 0,0");
  expect(at("10:00:29.9")).toBe("28000000.6.jpg 2,0");
  expect(at("10:00:30")).toBe("28000000.6.jpg 0,1");
  expect(at("10:01:01")).toBe("28000000.6.jpg 2,1");
  expect(at("10:01:13")).toBe("28000031.2.jpg 1,0");
  // The last picture stands in for the next one, but not for what is long over.
  expect(at("10:01:31")).toBe("28000031.2.jpg 1,0");
  expect(at("10:01:33")).toBeNull();
  expect(at("10:02:58")).toBe("28000042.3.jpg 2,0");
});

test("what makes no sense is left out", () => {
  expect(parseImages(PLAYLIST.replaceAll("160x90", "0x90"))).toEqual([]);
  expect(parseImages(PLAYLIST.replaceAll("28000", "https://elsewhere/28000"))).toEqual([]);
  expect(parseImages("")).toEqual([]);
});

test("the Multivariant Playlist names the image playlist", () => {
  const line = '#EXT-X-IMAGE-STREAM-INF:BANDWIDTH=8000,CODECS="jpeg",RESOLUTION=160x90,URI="360p/images.m3u8"';
  expect(imagesUri(`#EXTM3U\n${line}\n`)).toBe("360p/images.m3u8");
  expect(imagesUri("#EXTM3U\n")).toBeNull();
});
