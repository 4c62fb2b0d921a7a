// Opens a page in Debian's Chromium, headless, and prints as JSON how keys were agreed on.
//
//   node keys.mjs PAGE_URL SPKI [PORT]
//
// With PORT the page is asked for over QUIC.

import { trusting, withPage } from "./lib/chromium.mjs";

const [url, spki, port] = process.argv.slice(2);
const QUIC = port ? ["--enable-quic", `--origin-to-force-quic-on=localhost:${port}`, "--host-resolver-rules=MAP localhost 127.0.0.1"] : ["--disable-quic"];

await withPage({ args: [trusting(spki), ...QUIC] }, async (page) => {
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("Network.enable");
  const document = new Promise((resolve) => devtools.on("Network.responseReceived", (event) => event.type === "Document" && resolve(event.response)));
  await page.goto(url, { waitUntil: "commit" });
  const { protocol, securityDetails } = await document;
  console.log(JSON.stringify({ protocol, group: securityDetails.keyExchangeGroup }));
});
