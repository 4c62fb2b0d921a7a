"""Greets people who come into a room. Also an example of a filter in Python.

What is peculiar to Python here: the names of the contract in snake case, a class for each
interface, one dataclass for each case of a variant, `None` for none, and `Err` raised for an error.
`random` and `secrets` give the same numbers in every run, because the interpreter was frozen while
it was built: use `wit_world.imports.random`.
"""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.chat import Outcome, Verdict_Allow
from wit_world.exports.lifecycle import FilterInfo
from wit_world.imports import kv, log
from wit_world.imports.types import Command_Publish, Outgoing, Roles

DEFAULTS = {
    "first": "Welcome, {name}!",
    "again": "Good to see you again, {name}. This is visit {visits}.",
    "remember_days": 30,
}
NAME_MAX = 40
DAY_MS = 24 * 60 * 60 * 1000

# Set by `configure`, which is called before anything else.
config = DEFAULTS


class Lifecycle(exports.Lifecycle):
    def describe(self):
        return FilterInfo("welcome", "1.0.0", "Greets people who come into a room.")

    def configure(self, document):
        global config
        given = json.loads(document)
        unknown = sorted(set(given) - set(DEFAULTS))
        if unknown:
            raise Err(f"unknown key '{unknown[0]}'")
        merged = {**DEFAULTS, **given}
        if type(merged["remember_days"]) is not int or merged["remember_days"] < 1:
            raise Err("remember_days is a whole number, at least 1")
        for key in ("first", "again"):
            try:
                # A mistake in a text is found here, not when the first viewer comes.
                merged[key].format(name="", visits=1)
            except (AttributeError, KeyError, IndexError, ValueError) as error:
                raise Err(f"{key}: {error!r}; {{name}} and {{visits}} can be used") from None
        config = merged


class Chat(exports.Chat):
    def on_message(self, ctx, msg):
        return Outcome(Verdict_Allow(), [])

    def on_join(self, ctx, who):
        if Roles.BOT in who.roles or Roles.MUTED in who.roles:
            return []
        visits = count_visit(who.id)
        text = config["first" if visits == 1 else "again"]
        text = text.format(name=who.name[:NAME_MAX], visits=visits)
        # To this one person: a room full of greetings is no welcome.
        return [Command_Publish(Outgoing(ctx.room, [who.id], "system", text, ""))]

    def on_leave(self, ctx, who):
        return []


def count_visit(user):
    """How often the user has come, this time included."""
    try:
        return kv.add(f"visits:{user}", 1, config["remember_days"] * DAY_MS)
    except Err as error:
        # Its share of the node's memory is used up: everybody is new then.
        log.log(log.Level.WARN, f"visit not counted: {error.value}")
        return 1
