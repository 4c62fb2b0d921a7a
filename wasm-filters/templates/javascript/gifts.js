// Sells roses.

let config = { price: 100, currency: "coin", house_percent: 0 };

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
export const gifts = {
    catalog() {
        const { price, currency } = config;
        return [{ id: "rose", name: "A rose", price, currency, animation: "", attrs: [] }];
    },

    onGift(ctx, gift) {
        if (gift.item !== "rose") {
            // The next filter may sell it.
            return { tag: "pass" };
        }
        const total = config.price * gift.count;
        const house = Math.floor((total * config.house_percent) / 100);
        const transfer = (credit, amount) => ({
            // The same key is paid once, however often a node asks.
            idempotencyKey: `${gift.id}-${credit}`,
            debit: gift.sender.id,
            credit,
            amount,
            currency: config.currency,
            memo: "a rose",
        });
        // `total` has to be what the transfers take from the sender, to the last coin.
        const transfers = [transfer(gift.recipient, total - house), transfer("house", house)];
        const plan = {
            total,
            currency: config.currency,
            transfers: transfers.filter((it) => it.amount > 0),
            combo: null,
            animation: null,
            commands: [],
        };
        return { tag: "accept", val: plan };
    },
};
