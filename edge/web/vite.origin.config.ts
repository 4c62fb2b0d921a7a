import { defineConfig } from "vite";

// The page that an origin serves on its admin listener. A build of its own: an origin embeds what it serves, and nothing else.
export default defineConfig({
  appType: "mpa",
  publicDir: false,
  build: {
    target: "es2022",
    outDir: "../../origin/web/dist",
    emptyOutDir: true,
    // The Content-Security-Policy allows no data: URLs and no inline code, so nothing is inlined.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rollupOptions: { input: { streams: "admin/streams.html" } },
  },
});
