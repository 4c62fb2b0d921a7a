// Watches a stream in Debian's Chromium, headless, over forced QUIC, and prints what it saw as JSON.
//
//   node watch.mjs PAGE_URL PORT SPKI SECONDS
//
// The picture carries a barcode of the wall clock; its layout is described in scripts/broadcast.sh.
// Glass to glass is the clock on the wall minus the clock in the picture, read from a canvas: no
// playlist, no player and no server is asked.

import { noteErrors, trusting, withPage } from "./lib/chromium.mjs";

const [url, port, spki, seconds] = process.argv.slice(2);
const STARTUP_MS_MAX = 30_000;
const SAMPLE_EVERY_MS = 250;

const ARGUMENTS = ["--autoplay-policy=no-user-gesture-required", "--enable-quic", `--origin-to-force-quic-on=localhost:${port}`, trusting(spki)];

/** Runs in the page. Samples the video until the time is up. */
async function observe({ startupMsMax, watchMs, sampleEveryMs }) {
  const WIDTH = 1280;
  const ROW = 40;
  const MODULUS = 2 ** 24;
  const FRAMES_THAT_MOVE = 5;
  const pause = (ms) => new Promise((done) => setTimeout(done, ms));
  const video = document.querySelector("video");
  const canvas = document.createElement("canvas");
  canvas.width = WIDTH;
  canvas.height = 80;
  const context = canvas.getContext("2d", { willReadFrequently: true });

  /** The number in the barcode, or null without its guards. */
  function readClock() {
    const height = (video.videoHeight * WIDTH) / video.videoWidth;
    context.drawImage(video, 0, 0, WIDTH, height);
    const row = context.getImageData(0, ROW, WIDTH, 1).data;
    const white = (left) => {
      const at = 4 * (left + 20);
      return row[at] + row[at + 1] + row[at + 2] > 3 * 127;
    };
    if (!white(80) || white(120) || !white(1120)) return null;
    let value = 0;
    for (let bit = 0; bit < 24; bit++) value = value * 2 + (white(160 + 40 * bit) ? 1 : 0);
    return value;
  }

  const opened = performance.now();
  // A picture that moves: before it does, the player still looks for where to begin, and the jump
  // to the first sample that it finds is a `waiting` of its own.
  const moves = () => video.getVideoPlaybackQuality().totalVideoFrames >= FRAMES_THAT_MOVE;
  while (!(video.currentTime > 0 && video.readyState >= 3 && !video.paused && moves())) {
    if (performance.now() - opened > startupMsMax) {
      return { failure: `no picture: readyState ${video.readyState}, paused ${video.paused}` };
    }
    await pause(20);
  }
  // The page began to load before this function began to look.
  const startupSeconds = performance.now() / 1000;
  const began = performance.now();
  const position = video.currentTime;
  const stalledAt = [];
  video.addEventListener("waiting", () => stalledAt.push((performance.now() - began) / 1000));
  const latencySeconds = [];
  let unreadable = 0;
  while (performance.now() - began < watchMs) {
    const clock = readClock();
    const wall = Date.now() % MODULUS;
    if (clock === null) unreadable++;
    else latencySeconds.push(((wall - clock + MODULUS) % MODULUS) / 1000);
    await pause(sampleEveryMs);
  }
  const protocols = {};
  for (const entry of performance.getEntriesByType("resource")) {
    if (!new URL(entry.name).pathname.startsWith("/live/")) continue;
    // Given up before an answer, as when the player changes its mind: nothing spoke a protocol.
    const protocol = entry.nextHopProtocol || "unanswered";
    protocols[protocol] = (protocols[protocol] ?? 0) + 1;
  }
  const quality = video.getVideoPlaybackQuality();
  return {
    watchedSeconds: (performance.now() - began) / 1000,
    startupSeconds,
    stalledAt,
    playedSeconds: video.currentTime - position,
    latencySeconds,
    unreadable,
    frames: quality.totalVideoFrames,
    droppedFrames: quality.droppedVideoFrames,
    removals: window.removals,
    protocols,
    player: window.__weir === undefined ? null : JSON.parse(JSON.stringify(window.__weir)),
  };
}

const errors = [];
await withPage({ args: ARGUMENTS }, async (page) => {
  noteErrors(page, errors);
  await page.addInitScript(() => {
    performance.setResourceTimingBufferSize(10_000);
    const { remove } = SourceBuffer.prototype;
    window.removals = 0;
    SourceBuffer.prototype.remove = function (...range) {
      window.removals++;
      return remove.apply(this, range);
    };
  });
  page.on("requestfailed", (request) => {
    const failure = request.failure()?.errorText ?? "failed";
    // A player gives up requests when it changes its mind; that is its right.
    if (failure !== "net::ERR_ABORTED") errors.push(`${request.url()}: ${failure}`);
  });
  await page.goto(url, { waitUntil: "domcontentloaded" });
  await page.waitForSelector("video");
  const seen = await page.evaluate(observe, {
    startupMsMax: STARTUP_MS_MAX,
    watchMs: Number(seconds) * 1000,
    sampleEveryMs: SAMPLE_EVERY_MS,
  });
  if (process.env.SCREENSHOT) await page.screenshot({ path: process.env.SCREENSHOT });
  if (seen.failure) throw new Error(`${seen.failure}; ${errors.join("; ")}`);
  console.log(JSON.stringify({ ...seen, errors }));
});
