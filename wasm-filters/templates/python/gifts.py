"""Sells roses."""

import json

from wit_world import exports
from wit_world.exports.gifts import Decision_Accept, Decision_Pass, Item, Plan
from wit_world.exports.lifecycle import FilterInfo
from wit_world.imports.types import Transfer

config = {"price": 100, "currency": "coin", "house_percent": 0}


class Lifecycle(exports.Lifecycle):
    def describe(self):
        return FilterInfo("{{name}}", "0.1.0", "")

    def configure(self, document):
        """Called once for each instance, before all else. An error refuses the version."""
        config.update(json.loads(document))


# Names are in snake case, each case of a variant is a class, and an error is raised:
# `raise Err(FilterError_Unavailable("why"))`, with Err from componentize_py_types.
class Gifts(exports.Gifts):
    def catalog(self, ctx, viewer):
        return [Item("rose", "A rose", config["price"], config["currency"], "", [])]

    def on_gift(self, ctx, g):
        if g.item != "rose":
            # The next filter may sell it.
            return Decision_Pass()
        total = config["price"] * g.count
        house = total * config["house_percent"] // 100
        shares = [(g.recipient, total - house), ("house", house)]
        # `total` has to be what the transfers take from the sender, to the last coin.
        transfers = [
            # The same key is paid once, however often a node asks.
            Transfer(f"{g.id}-{credit}", g.sender.id, credit, amount, config["currency"], "a rose")
            for credit, amount in shares
            if amount > 0
        ]
        return Decision_Accept(Plan(total, config["currency"], transfers, None, None, []))
