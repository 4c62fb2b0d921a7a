// Keeps words out of chat: drops, masks or holds the messages they are in, and silences whoever
// does not stop. Also an example of a filter in JavaScript.
//
// What is peculiar to JavaScript here: names are in camel case, a variant is { tag, val }, none is
// null, and an error is thrown. Memory is kept from call to call (the manifest says `pooled`), but
// an instance lives for a minute at most: what has to last goes into `kv`.

import kv from "weir:filter/kv@1.1.0";
import log from "weir:filter/log@1.1.0";
import metrics from "weir:filter/metrics@1.1.0";

const ACTIONS = ["drop", "mask", "hold", "shadow-drop"];
const DEFAULTS = { action: "drop", strikes: 3, window_s: 600, timeout_s: 300 };
// Who keeps order may name what it keeps out.
const TRUSTED = ["moderator", "broadcaster", "staff"];

// A run of what people write words with. @ and $ stand in for letters.
const TOKEN = /[\p{L}\p{N}\p{M}@$]+/gu;
const LOOKALIKES = { 0: "o", 1: "i", 3: "e", 4: "a", 5: "s", 7: "t", "@": "a", $: "s" };

let policy = null;
let words = new Set();

export const lifecycle = {
    describe() {
        return {
            name: "word-guard",
            version: "1.0.0",
            description: "Keeps words out of chat.",
        };
    },

    configure(document) {
        const config = { ...DEFAULTS, ...JSON.parse(document) };
        const unknown = Object.keys(config).filter((key) => key !== "words" && !(key in DEFAULTS));
        if (unknown.length > 0) {
            throw `unknown key '${unknown[0]}'`;
        }
        if (!Array.isArray(config.words) || !config.words.every(isWord)) {
            throw "words is a list of words, each without spaces";
        }
        if (!ACTIONS.includes(config.action)) {
            throw `action is one of ${ACTIONS.join(", ")}`;
        }
        for (const key of ["strikes", "window_s", "timeout_s"]) {
            if (!Number.isInteger(config[key]) || config[key] < 0) {
                throw `${key} is a whole number`;
            }
        }
        policy = config;
        words = new Set(config.words.map(fold));
    },
};

export const chat = {
    onMessage(ctx, message) {
        if (TRUSTED.some((role) => message.sender.roles[role])) {
            return { verdict: { tag: "allow" }, commands: [] };
        }
        const found = (message.text.match(TOKEN) ?? []).some((token) => words.has(fold(token)));
        if (!found) {
            return { verdict: { tag: "allow" }, commands: [] };
        }
        metrics.count("blocked_total", 1);
        return { verdict: verdict(message.text), commands: strike(message.sender.id) };
    },

    onJoin() {
        return [];
    },

    onLeave() {
        return [];
    },
};

function isWord(word) {
    return typeof word === "string" && word.match(TOKEN)?.[0] === word;
}

// "Spâaam", "5PAM" and "spam" are one word.
function fold(token) {
    const plain = token.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
    const letters = plain.replace(/[013457@$]/g, (it) => LOOKALIKES[it]);
    return letters.replace(/(.)\1{2,}/gu, "$1");
}

function verdict(text) {
    switch (policy.action) {
        case "mask": {
            const masked = text.replace(TOKEN, (token) =>
                words.has(fold(token)) ? "*".repeat(token.length) : token,
            );
            return { tag: "modify", val: { text: masked, kind: null, addAttrs: [] } };
        }
        case "hold":
            return { tag: "hold", val: "a word on the list" };
        case "shadow-drop":
            return { tag: "shadow-drop" };
        default: {
            const message = "this word is not welcome here";
            return { tag: "drop", val: { code: "blocked-word", message, retryAfterMs: null } };
        }
    }
}

// Counts it against the sender; at the last strike the room is rid of them for a while.
function strike(user) {
    if (policy.strikes === 0) {
        return [];
    }
    try {
        const key = `strikes:${user}`;
        if (kv.add(key, 1, policy.window_s * 1000) < policy.strikes) {
            return [];
        }
        kv.delete(key);
    } catch (error) {
        // The message is stopped all the same; only the counting is lost.
        log.log("warn", `strikes not counted: ${error}`);
        return [];
    }
    const reason = "words that are not welcome here";
    return [{ tag: "timeout-user", val: { user, seconds: policy.timeout_s, reason } }];
}
