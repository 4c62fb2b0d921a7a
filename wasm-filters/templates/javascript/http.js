// Adds a field to answers.

let config = { greeting: "hello" };

export const lifecycle = {
    describe() {
        return { name: "{{name}}", version: "0.1.0", description: "" };
    },

    // Called once for each instance, before all else. What is thrown refuses the version.
    configure(document) {
        config = { ...config, ...JSON.parse(document) };
    },
};

// For so long a node may do the same by itself, in milliseconds.
const CACHE_MS = 60_000;

// Names are in camel case, a variant is { tag, val }, flags are an object, none is null, and an
// error is thrown: { tag: "unavailable", val: "why" }.
export const http = {
    // Called when `hooks` in filter.toml names `http.request`.
    onRequest() {
        return { action: { tag: "next" }, cacheMs: CACHE_MS };
    },

    onResponse() {
        const setHeaders = [{ key: "x-greeting", value: config.greeting }];
        const edit = { setHeaders, removeHeaders: [] };
        return { action: { tag: "modify", val: edit }, cacheMs: CACHE_MS };
    },
};
