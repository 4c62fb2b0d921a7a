// Rolls a filter back on the operators' page in Debian's Chromium, headless, as an operator would, and prints what it saw
// as JSON.
//
//   node filters.mjs ADMIN_URL TOKEN FILTER VERSION SCREENSHOT_BEFORE BACK_TO SCREENSHOT_AFTER
//
// VERSION and BACK_TO are what the page calls a version: its number (v2), its label, or its id. TOKEN is one of the
// registry with the role operator; it is entered on the page. The page speaks plain HTTP on the edge's admin listener.
// VIEWPORT=390x844 and SCHEME=light|dark change how the page is shown, WAIT_MS for how long a version is waited for.

import { noteErrors, withPage } from "./lib/chromium.mjs";

const [adminUrl, token, filter, version, shotBefore, backTo, shotAfter] = process.argv.slice(2);
const WAIT_MS = Number(process.env.WAIT_MS ?? 60_000);
const [width, height] = (process.env.VIEWPORT ?? "1280x900").split("x").map(Number);
/** Rates need a few samples before they are there, and the pictures should have them. */
const SAMPLES_MIN = 3;

/** Runs in the page: whether the card of the filter says that this version is active. */
function isActive({ filter, version }) {
  const card = document.getElementById(`filter-${filter}`);
  const { active, activeName, activeLabel } = card?.dataset ?? {};
  return [active, activeName, activeLabel].includes(version);
}

const errors = [];
let node = 0;
await withPage({ viewport: { width, height }, colorScheme: process.env.SCHEME ?? "light" }, async (page) => {
  page.setDefaultTimeout(WAIT_MS);
  noteErrors(page, errors);
  page.on("response", (response) => {
    if (new URL(response.url()).pathname === "/v1/node/filters" && response.ok()) node++;
  });
  const card = page.locator(`#filter-${filter}`);
  const active = async () => card.evaluate((card) => ({ id: card.dataset.active, name: card.dataset.activeName, label: card.dataset.activeLabel }));
  const until = async (version) => {
    const began = performance.now();
    try {
      await page.waitForFunction(isActive, { filter, version }, { polling: 100 });
    } catch (error) {
      const shows = (await card.count()) === 0 ? "no such filter" : JSON.stringify(await active());
      throw new Error(`${filter} is not at ${version}: the page shows ${shows}; ${errors.join("; ")}; ${error.message.split("\n")[0]}`);
    }
    return performance.now() - began;
  };
  const began = performance.now();
  await page.goto(`${adminUrl.replace(/\/$/, "")}/filters#filter-${filter}`, { waitUntil: "domcontentloaded" });
  await page.click("#tokens-open");
  await page.fill("#token-registry", token);
  await page.click("#tokens-form button[type=submit]");
  await until(version);
  const shownMs = performance.now() - began;
  const before = await active();
  // The card is open because the address names it. Its button works once the registry has answered.
  const rollback = card.locator('button[data-action="rollback"]');
  await card.locator(".nodes").waitFor();
  const enough = node + SAMPLES_MIN;
  while (node < enough) await page.waitForResponse((response) => response.url().includes("/v1/node/filters"));
  await page.screenshot({ path: shotBefore, fullPage: true });

  await rollback.click();
  await page.fill("#ask input[name=reason]", "from the browser's test");
  const asked = await page.textContent("#ask-title");
  const confirmed = performance.now();
  await page.click("#ask-confirm");
  const outcome = card.locator(".outcome.good, .outcome.bad");
  await outcome.waitFor();
  const answered = await outcome.textContent();
  await until(backTo);
  const rolledBackMs = performance.now() - confirmed;
  await page.screenshot({ path: shotAfter, fullPage: true });
  console.log(JSON.stringify({ filter, shownMs, before, asked, answered, rolledBackMs, after: await active(), errors }));
});
