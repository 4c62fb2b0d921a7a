"""Says who may do what."""

import json

from wit_world import exports
from wit_world.exports.auth import Decision_Allow, Decision_Pass, Grant
from wit_world.exports.lifecycle import FilterInfo
from wit_world.imports.types import Roles, User

config = {"open_streams": [], "cache_ms": 0}


class Lifecycle(exports.Lifecycle):
    def describe(self):
        return FilterInfo("{{name}}", "0.1.0", "")

    def configure(self, document):
        """Called once for each instance, before all else. An error refuses the version."""
        config.update(json.loads(document))


# Names are in snake case, each case of a variant is a class, and an error is raised:
# `raise Err(FilterError_Unavailable("why"))`, with Err from componentize_py_types.
class Auth(exports.Auth):
    def authorize(self, ctx, req):
        if req.stream not in config["open_streams"]:
            # No opinion: the next filter is asked. When all pass, the answer is no.
            return Decision_Pass()
        user = User(id="guest", name="Guest", roles=Roles(0), level=0, attrs=[])
        return Decision_Allow(
            Grant(
                user=user,
                stream=None,
                expires_at_ms=None,
                cache_ms=config["cache_ms"],
                accepted=None,
                attrs=[],
            )
        )
