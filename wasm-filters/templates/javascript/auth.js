// Says who may do what.

let config = { open_streams: [], cache_ms: 0 };

export const lifecycle = {
    describe() {
        return { name: "{{name}}", version: "0.1.0", description: "" };
    },

    // Called once for each instance, before all else. What is thrown refuses the version.
    configure(document) {
        config = { ...config, ...JSON.parse(document) };
    },
};

// Names are in camel case, a variant is { tag, val }, flags are an object, none is null, and an
// error is thrown: { tag: "unavailable", val: "why" }.
export const auth = {
    authorize(ctx, request) {
        if (!config.open_streams.includes(request.stream)) {
            // No opinion: the next filter is asked. When all pass, the answer is no.
            return { tag: "pass" };
        }
        const user = { id: "guest", name: "Guest", roles: {}, level: 0, attrs: [] };
        const grant = {
            user,
            stream: null,
            expiresAtMs: null,
            cacheMs: config.cache_ms,
            accepted: null,
            attrs: [],
        };
        return { tag: "allow", val: grant };
    },
};
