// Tries accounts and gifts of the watch page in Chromium, against `dev/rooms.mjs`, and takes pictures of what it sees.
//
//   npm run build && node dev/try.mjs FOLDER        playwright-core is that of tests/browser: `npm ci` there
//
// Says what it measured, and fails by the name of what did not come. MEDIA, CHROMIUM as elsewhere. Not shipped.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const { chromium } = createRequire(process.env.PLAYWRIGHT ?? `${here}../../../tests/browser/`)("playwright-core");
const shots = process.argv[2] ?? "shots";
const WAIT_MS = 15_000;
const PHONE = { viewport: { width: 360, height: 740 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };
mkdirSync(shots, { recursive: true });

const port = await new Promise((done) => {
  const probe = createServer().listen(0, "127.0.0.1", () => {
    const { port } = probe.address();
    probe.close(() => done(port));
  });
});
const server = spawn(process.execPath, [`${here}rooms.mjs`, String(port)], { env: { ...process.env, RATE: "1" }, stdio: ["ignore", "pipe", "inherit"] });
await new Promise((done) => server.stdout.once("data", done));
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required"] });
const broken = [];

async function open(options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, locale: "en-GB", colorScheme: "dark", ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(WAIT_MS);
  page.on("pageerror", (error) => broken.push(String(error)));
  await page.goto(`http://localhost:${port}/watch/demo`);
  await page.locator(".gift-button").waitFor();
  return page;
}

async function signIn(page, login) {
  await page.click(".sign-in");
  await page.fill("#sign-in-login", login);
  await page.fill("#sign-in-password", `${login}-password`);
  await page.press("#sign-in-password", "Enter");
  await page.locator(".account-button").waitFor();
  // The room knows them, too: then what is typed plays its tricks.
  await page.waitForFunction(() => document.querySelector(".account-coins")?.hidden === false);
}

async function say(page, text) {
  await page.fill("#chat-input", text);
  await page.press("#chat-input", "Enter");
  await page.waitForFunction(() => document.querySelector("#chat-input").value === "");
}

const coins = async (page) => Number((await page.textContent(".gift-coins")).replace(/\D/g, ""));
const status = (page, words) => page.locator(".gift-status", { hasText: words }).waitFor();
const shot = (page, name) => page.screenshot({ path: `${shots}/${name}.png` });

/** Frames of the page's own, for so long. */
const frames = (page, ms) =>
  page.evaluate(
    (ms) =>
      new Promise((done) => {
        const times = [];
        const tick = (now) => {
          times.push(now);
          if (now - times[0] < ms) return requestAnimationFrame(tick);
          const gaps = times.slice(1).map((time, at) => time - times[at]).sort((a, b) => a - b);
          done({ fps: Math.round((10_000 * gaps.length) / (times.at(-1) - times[0])) / 10, p95Ms: Math.round(gaps[Math.floor(gaps.length * 0.95)]), maxMs: Math.round(gaps.at(-1)) });
        };
        requestAnimationFrame(tick);
      }),
    ms,
  );

try {
  const ann = await open();
  await ann.click(".sign-in");
  await ann.fill("#sign-in-login", "ann");
  await ann.fill("#sign-in-password", "wrong");
  await ann.press("#sign-in-password", "Enter");
  await ann.locator("#sign-in-password-error", { hasText: "wrong" }).waitFor();
  await shot(ann, "sign-in");
  await ann.keyboard.press("Escape");
  await signIn(ann, "ann");
  await say(ann, "hello");
  await ann.locator(".line.message.mine", { hasText: "Ann: hello" }).waitFor();

  // A tap is charged and sent by itself; a series is one line.
  await ann.click(".gift-button");
  const before = await coins(ann);
  for (let tap = 0; tap < 7; tap += 1) await ann.click('[data-item="rose"]');
  assert.equal(await ann.textContent(".gift-item.running .gift-own"), "×7");
  await shot(ann, "combo");
  await ann.locator(".line.gift", { hasText: /Ann.* gave .*Rose.* × 7/ }).waitFor();
  assert.equal(await coins(ann), before - 7);
  await shot(ann, "combo-running");

  // What is not taken is said.
  for (const [answer, words] of [["402", "too few coins"], ["429", "A little slower"], ["403", "may not give"], ["held", "waits for approval"]]) {
    await say(ann, `!answer ${answer} 1`);
    await ann.locator(".line.answer", { hasText: `Did "answer ${answer}` }).waitFor();
    await ann.click('[data-item="heart"]');
    await status(ann, words);
    if (answer === "429") await ann.waitForFunction((left) => Number(document.querySelector(".gift-coins").textContent.replace(/\D/g, "")) === left, before - 12);
  }
  // An answer that is lost is charged once: the same client id goes again.
  const least = await coins(ann);
  await say(ann, "!answer lost 1");
  await ann.locator(".line.answer", { hasText: 'Did "answer lost' }).waitFor();
  await ann.click('[data-item="heart"]');
  await ann.locator(".line.gift", { hasText: /Ann.* gave .*Heart/ }).first().waitFor();
  await ann.waitForTimeout(3000);
  assert.equal(await coins(ann), least - 5);

  await say(ann, "!goal");
  await ann.locator(".goal-bar.reached").waitFor();
  await ann.locator(".gift-scene", { hasText: "Goal reached" }).waitFor();
  await ann.waitForTimeout(1500);
  await shot(ann, "goal-reached");

  await say(ann, "!gift rocket 2");
  await ann.locator(".gift-scene", { hasText: "Rocket" }).waitFor();
  await ann.waitForTimeout(1500);
  await shot(ann, "huge");
  const takesPress = await ann.evaluate(() => {
    const { left, top, width, height } = document.querySelector(".player").getBoundingClientRect();
    return document.elementFromPoint(left + width / 2, top + height / 2).closest(".gift-stage, .gift-tray") !== null;
  });
  assert.equal(takesPress, false);
  await ann.click(".head-more .head-button");
  await ann.locator(".board-row.mine").waitFor();
  await shot(ann, "leaderboard");
  await ann.keyboard.press("Escape");
  await ann.click(".account-button");
  await ann.click(".popup button >> nth=0");
  await ann.locator(".wallet-list li").first().waitFor();
  await shot(ann, "wallet");
  await ann.keyboard.press("Escape");

  const host = await open({ colorScheme: "light" });
  await signIn(host, "host");
  await host.click(".goal-edit");
  await host.fill("#goal-title", "A heron documentary");
  await host.fill("#goal-target", "500");
  await shot(host, "goal-dialog-light");
  await host.press("#goal-target", "Enter");
  await ann.locator(".goal-title", { hasText: "heron" }).waitFor();
  await host.click(".gift-button");
  await host.click('[data-item="castle"]', { force: true });
  await status(host, "costs");
  await shot(host, "short-light");

  const phone = await open(PHONE);
  await signIn(phone, "ann");
  await phone.tap(".gift-button");
  await phone.tap('[data-item="heart"]');
  await phone.locator(".gift-item.running").waitFor();
  await shot(phone, "phone-drawer");
  assert.equal(await phone.evaluate(() => document.documentElement.scrollWidth > innerWidth), false);

  const still = await open({ reducedMotion: "reduce" });
  await say(ann, "!gift crown 1");
  await still.locator(".gift-card.still").waitFor();
  assert.equal(await still.evaluate(() => document.querySelector(".gift-stage").getAnimations({ subtree: true }).length), 0);
  await shot(still, "reduced-motion");

  // Alone: four pages play four times as much.
  for (const page of [host, phone, still]) await page.context().close();
  await ann.waitForTimeout(7000);
  console.log("idle", await frames(ann, 4000));
  await say(ann, "!gifts 50 20");
  await ann.locator(".gift-rise").first().waitFor();
  await ann.waitForTimeout(3000);
  console.log("50 gifts a second", await frames(ann, 8000));
  await shot(ann, "fifty-a-second");
  assert.deepEqual(broken, []);
} finally {
  await browser.close();
  server.kill();
}
