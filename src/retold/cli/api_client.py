"""One request to the API of a running server; what goes wrong ends the command in words."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final
from urllib import error, parse, request

import typer

from retold.cli.failure import fail

ServerOption = Annotated[
    str | None, typer.Option("--server", help="The server [env RETOLD_SERVER; default http://127.0.0.1:8080].")
]
KeyOption = Annotated[str | None, typer.Option("--api-key", help="A key of its API [env RETOLD_API_KEY].")]
DEFAULT_SERVER: Final = "http://127.0.0.1:8080"
_TIMEOUT_S: Final = 60


@dataclass(frozen=True, slots=True)
class Api:
    """A server's API, asked with one key."""

    url: str
    api_key: str

    @classmethod
    def of(cls, server: str | None, api_key: str | None) -> "Api":
        """The API that the options name, or the environment."""
        url = server or os.environ.get("RETOLD_SERVER") or DEFAULT_SERVER
        if not url.startswith(("http://", "https://")):
            raise fail(f"--server {url!r} is not an address", f"--server {DEFAULT_SERVER}", code=2)
        key = api_key or os.environ.get("RETOLD_API_KEY")
        if not key:
            raise fail("the server's API needs a key", "--api-key KEY, or set RETOLD_API_KEY", code=2)
        return cls(url.rstrip("/"), key)

    def ask(
        self, method: str, path: str, *, query: Mapping[str, Any] | None = None, body: Mapping[str, Any] | None = None
    ) -> Any:
        """The answer's JSON; values of the query and body that are None are left out. A refusal ends the command."""
        asked = {name: value for name, value in (query or {}).items() if value is not None}
        url = self.url + path + ("?" + parse.urlencode(asked) if asked else "")
        headers = {"Authorization": f"Bearer {self.api_key}"}
        sent = None
        if body is not None:
            sent = json.dumps({name: value for name, value in body.items() if value is not None}).encode()
            headers["Content-Type"] = "application/json"
        try:
            wanted = request.Request(url, sent, headers, method=method)  # noqa: S310 - http or https, as checked
            with request.urlopen(wanted, timeout=_TIMEOUT_S) as answer:  # noqa: S310 - the same
                return json.load(answer)
        except error.HTTPError as refused:
            with refused:
                raise _refused(refused) from refused
        except (OSError, ValueError) as failure:
            why = getattr(failure, "reason", failure)
            raise fail(
                f"{self.url} cannot be reached: {why}", "`retold serve` starts a server; --server names it"
            ) from (failure)


def _refused(refused: error.HTTPError) -> typer.Exit:
    try:
        told: Any = json.load(refused)
        return fail(str(told["message"]), told.get("fix"))
    except (ValueError, KeyError, TypeError, AttributeError):
        return fail(f"the server answered {refused.code}", "check --server")
