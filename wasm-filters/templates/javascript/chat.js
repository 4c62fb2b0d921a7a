// Keeps messages short, and greets who joins.

let config = { most: 200 };

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
export const chat = {
    onMessage(ctx, message) {
        if ([...message.text].length <= config.most) {
            return { verdict: { tag: "allow" }, commands: [] };
        }
        const rejection = {
            code: "too-long",
            message: `at most ${config.most} characters, please`,
            retryAfterMs: null,
        };
        return { verdict: { tag: "drop", val: rejection }, commands: [] };
    },

    onJoin(ctx, who) {
        // An effect is data: the node carries it out when this call has ended well.
        const greeting = {
            room: ctx.room,
            to: [who.id],
            kind: "system",
            text: `Hello ${who.name}`,
            payload: "",
        };
        return [{ tag: "publish", val: greeting }];
    },

    onLeave() {
        return [];
    },
};
