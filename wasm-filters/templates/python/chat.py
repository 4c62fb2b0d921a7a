"""Keeps messages short, and greets who joins."""

import json

from wit_world import exports
from wit_world.exports.chat import Outcome, Verdict_Allow, Verdict_Drop
from wit_world.exports.lifecycle import FilterInfo
from wit_world.imports.types import Command_Publish, Outgoing, Rejection

config = {"most": 200}


class Lifecycle(exports.Lifecycle):
    def describe(self):
        return FilterInfo("{{name}}", "0.1.0", "")

    def configure(self, document):
        """Called once for each instance, before all else. An error refuses the version."""
        config.update(json.loads(document))


# Names are in snake case, each case of a variant is a class, and an error is raised:
# `raise Err(FilterError_Unavailable("why"))`, with Err from componentize_py_types.
class Chat(exports.Chat):
    def on_message(self, ctx, msg):
        most = config["most"]
        if len(msg.text) <= most:
            return Outcome(Verdict_Allow(), [])
        rejection = Rejection("too-long", f"at most {most} characters, please", None)
        return Outcome(Verdict_Drop(rejection), [])

    def on_join(self, ctx, who):
        # An effect is data: the node carries it out when this call has ended well.
        return [Command_Publish(Outgoing(ctx.room, [who.id], "system", f"Hello {who.name}", ""))]

    def on_leave(self, ctx, who):
        return []
