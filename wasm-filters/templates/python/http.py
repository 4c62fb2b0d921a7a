"""Adds a field to answers."""

import json

from wit_world import exports
from wit_world.exports.http import (
    RequestAction_Next,
    RequestOutcome,
    ResponseAction_Modify,
    ResponseEdit,
    ResponseOutcome,
)
from wit_world.exports.lifecycle import FilterInfo
from wit_world.imports.types import Attr

config = {"greeting": "hello"}


class Lifecycle(exports.Lifecycle):
    def describe(self):
        return FilterInfo("{{name}}", "0.1.0", "")

    def configure(self, document):
        """Called once for each instance, before all else. An error refuses the version."""
        config.update(json.loads(document))


# For so long a node may do the same by itself, in milliseconds.
CACHE_MS = 60_000


# Names are in snake case, each case of a variant is a class, and an error is raised:
# `raise Err(FilterError_Unavailable("why"))`, with Err from componentize_py_types.
class Http(exports.Http):
    def on_request(self, ctx, req):
        """Called when `hooks` in filter.toml names `http.request`."""
        return RequestOutcome(RequestAction_Next(), CACHE_MS)

    def on_response(self, ctx, req, resp):
        edit = ResponseEdit([Attr("x-greeting", config["greeting"])], [])
        return ResponseOutcome(ResponseAction_Modify(edit), CACHE_MS)
