// Watches a stream whose broadcaster, or origin, goes away and comes back, and prints what that was like as JSON.
//
//   node comes_back.mjs PAGE_URL SPKI DIRECTORY OUTAGES
//
// The test takes things away when this script says that the picture moves (a file `moves-N` in DIRECTORY), and says
// when they are there again (`back-N`).

import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { trusting, withPage } from "./lib/chromium.mjs";

const [url, spki, directory, outages] = process.argv.slice(2);
const MOVES_MS_MAX = 60_000;
const FRAMES_THAT_MOVE = 45;

const frames = (page) => page.evaluate(() => document.querySelector("video")?.getVideoPlaybackQuality().totalVideoFrames ?? 0);

/** Waits until so many more frames were shown; the seconds that took, and `null` if it took too long. */
async function moves(page) {
  const began = Date.now();
  let [last, more] = [await frames(page), 0];
  for (;;) {
    // The element counts from zero when the page opens the stream anew.
    const now = await frames(page);
    more += now < last ? now : now - last;
    last = now;
    if (more >= FRAMES_THAT_MOVE) return (Date.now() - began) / 1000;
    if (Date.now() - began > MOVES_MS_MAX) {
      const player = await page.evaluate(() => {
        const video = document.querySelector("video");
        const ranges = Array.from({ length: video.buffered.length }, (_, n) => [video.buffered.start(n), video.buffered.end(n)]);
        return { at: video.currentTime, paused: video.paused, ready: video.readyState, ranges, weir: window.__weir };
      });
      console.error(JSON.stringify(player).slice(0, 4000));
      return null;
    }
    await page.waitForTimeout(50);
  }
}

await withPage({ args: ["--autoplay-policy=no-user-gesture-required", trusting(spki)] }, async (page) => {
  const pageErrors = [];
  page.on("pageerror", (error) => pageErrors.push(String(error)));
  await page.goto(url, { waitUntil: "domcontentloaded" });
  await page.waitForSelector("video");
  const back = [];
  const shown = [];
  for (let outage = 1; outage <= Number(outages); outage++) {
    if ((await moves(page)) === null) throw new Error(`no picture before outage ${outage}: ${await page.innerText("body")}`);
    writeFileSync(join(directory, `moves-${outage}`), "");
    while (!existsSync(join(directory, `back-${outage}`))) await page.waitForTimeout(50);
    shown.push((await page.innerText("main").catch(() => "")).split("\n")[0] ?? "");
    back.push(await moves(page));
    if (process.env.SCREENSHOT) await page.screenshot({ path: `${process.env.SCREENSHOT}-${outage}.png` });
  }
  const reloaded = await page.evaluate(() => performance.getEntriesByType("navigation").length);
  console.log(JSON.stringify({ back, shown, reloaded, errors: pageErrors }));
});
