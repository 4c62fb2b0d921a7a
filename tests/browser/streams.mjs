// Looks at a live stream on the origin's page of streams, in Debian's Chromium, headless, as an operator would, and prints
// what it saw as JSON.
//
//   node streams.mjs ADMIN_URL TOKEN STREAM [SHOTS]
//
// TOKEN is admin.token of the origin; it is entered on the page. VIEWPORT=390x844 and SCHEME=light|dark change how the page
// is shown. Pictures of the list and of the stream go into the folder SHOTS.

import { noteErrors, shooter, WAIT_MS, withPage } from "./lib/chromium.mjs";

const [adminUrl, token, stream, shots] = process.argv.slice(2);
const [width, height] = (process.env.VIEWPORT ?? "1280x900").split("x").map(Number);
const scheme = process.env.SCHEME ?? "light";
const shot = shooter(shots, `streams-${width}-${scheme}`);

const errors = [];
await withPage({ viewport: { width, height }, colorScheme: scheme }, async (page) => {
  page.setDefaultTimeout(WAIT_MS);
  // The first question is asked without a token.
  noteErrors(page, errors, (words) => words.includes("401"));
  await page.goto(`${adminUrl.replace(/\/$/, "")}/streams`, { waitUntil: "domcontentloaded" });
  await page.fill("#token-input", token);
  await page.click("#token-form button[type=submit]");
  const card = page.locator(`[data-stream="${stream}"]`);
  await card.waitFor();
  await page.waitForFunction((stream) => document.querySelector(`[data-stream="${stream}"]`)?.textContent.includes("fps"), stream);
  const listed = { state: await card.getAttribute("data-state"), text: (await card.innerText()).replace(/\s+/g, " ") };
  await shot(page, "list", { fullPage: true });
  await card.locator("a").click();
  const line = page.locator("#chart-bitrate path.line-0");
  await line.waitFor();
  const path = await line.getAttribute("d");
  await page.waitForFunction((path) => document.querySelector("#chart-bitrate path.line-0")?.getAttribute("d") !== path, path);
  const moved = await line.getAttribute("d");
  if (process.env.LINGER_MS) await page.waitForTimeout(Number(process.env.LINGER_MS));
  const badge = await page.locator("[data-badge]").innerText();
  const charts = await page.locator(".chart").evaluateAll((charts) => charts.map(({ id }) => id));
  const reasons = await page.locator("[data-code]").evaluateAll((lines) => lines.map((line) => line.dataset.code));
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth);
  await shot(page, "stream", { fullPage: true });
  const points = (path) => path.split(/[ML]/).length - 1;
  console.log(JSON.stringify({ listed, badge, charts, reasons, points: [points(path), points(moved)], overflow, errors }));
});
