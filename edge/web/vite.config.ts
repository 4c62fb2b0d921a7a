import { defineConfig, type Plugin } from "vite";

// The edge to develop against: `WEIR_EDGE=https://localhost:8443 npm run dev`. A self-signed certificate is accepted.
declare const process: { env: Record<string, string | undefined> };
const edge = process.env["WEIR_EDGE"] ?? "http://localhost:8088";
// Its admin listener, for the operators' page. `node dev/admin.mjs` is one to try the page with.
const admin = process.env["WEIR_ADMIN"] ?? "http://localhost:9443";

/** Serves watch.html for every `/watch/{stream}`, studio.html for every `/studio/{stream}`, the staff's page for `/admin` and the operators' page for `/filters`, as the edge does. */
function routes(): Plugin {
  const rewrite = (request: { url?: string }, _response: unknown, next: () => void): void => {
    if (request.url?.startsWith("/watch/")) {
      request.url = "/watch.html";
    } else if (request.url?.startsWith("/studio/")) {
      request.url = "/studio.html";
    } else if (request.url === "/admin") {
      request.url = "/admin.html";
    } else if (request.url === "/filters") {
      request.url = "/admin/filters.html";
    }
    next();
  };
  return {
    name: "weir-routes",
    configureServer(server) {
      server.middlewares.use(rewrite);
    },
    configurePreviewServer(server) {
      server.middlewares.use(rewrite);
    },
  };
}

const proxy = {
  // The host stays: to rooms only pages of the edge's own site may connect.
  "/api": { target: edge, secure: false, ws: true },
  "/live": { target: edge, changeOrigin: true, secure: false },
  "/v1": { target: admin, changeOrigin: true },
};

export default defineConfig({
  appType: "mpa",
  plugins: [routes()],
  build: {
    target: "es2022",
    // The Content-Security-Policy allows no data: URLs and no inline code, so nothing is inlined.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // hls.js alone is about 550 kB before compression.
    chunkSizeWarningLimit: 700,
    rollupOptions: {
      input: { index: "index.html", watch: "watch.html", studio: "studio.html", admin: "admin.html", filters: "admin/filters.html" },
      // hls.js changes less often than the pages: a file of its own stays in viewers' caches.
      output: { manualChunks: { hls: ["hls.js"] } },
    },
  },
  server: { proxy },
  preview: { proxy },
});
