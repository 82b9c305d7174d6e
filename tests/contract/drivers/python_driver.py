"""Drives the official Python client it finds, of any version: one JSON request a line in, one JSON answer a line out.

Runs in the client's own environment, so it imports nothing but the client and the standard library.
"""

import json
import sys
import traceback
from typing import Any

import retell
from pydantic import BaseModel
from retell import APIConnectionError, APIError, APIResponseValidationError, APIStatusError, Retell


def main() -> None:
    """Answer requests until standard input ends."""
    client: Any = None
    for line in sys.stdin:
        asked = json.loads(line)
        if "connect" in asked:
            options = asked["connect"]
            strict = options.pop("strict")
            client = Retell(_strict_response_validation=strict, **options)
            answer = {"version": retell.__version__}
        elif asked["method"] in {"sign", "verify"}:
            answer = {"value": _webhook_auth(asked)}
        else:
            answer = _answered(client, asked)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _answered(client: Retell, asked: Any) -> dict[str, Any]:
    try:
        return _ask(client.with_options(**asked["options"]), asked)
    except APIError as error:
        return {"error": _shown_error(error)}
    except Exception as error:  # noqa: BLE001 - whatever a client raises is what its user would see
        return {"error": {"type": type(error).__name__, "message": traceback.format_exc()}}


def _ask(client: Retell, asked: Any) -> dict[str, Any]:
    resource_name, method_name = asked["method"].split(".")
    resource = getattr(client, resource_name)
    if asked["form"] == "plain":
        return _shown(getattr(resource, method_name)(*asked["args"], **asked["kwargs"]))
    if asked["form"] == "raw":
        answer = getattr(resource.with_raw_response, method_name)(*asked["args"], **asked["kwargs"])
        return {**_shown(answer.parse()), **_shown_http(answer)}
    with getattr(resource.with_streaming_response, method_name)(*asked["args"], **asked["kwargs"]) as answer:
        return {**_shown(answer.parse()), **_shown_http(answer)}


def _shown(value: Any) -> dict[str, Any]:
    declared: set[str] = set()
    filled: set[str] = set()
    _walk(value, "", declared, filled)
    return {"value": _plain(value), "type": _type_name(value), "unfilled": sorted(declared - filled)}


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True, exclude_unset=True)
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def _type_name(value: Any) -> Any:
    return [_type_name(item) for item in value] if isinstance(value, list) else type(value).__name__


def _walk(value: Any, path: str, declared: set[str], filled: set[str]) -> None:
    """Gather which fields the client's types declare, and which of them this value fills."""
    if isinstance(value, list):
        for item in value:
            _walk(item, path + "[]", declared, filled)
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            declared.add(f"{path}.{name}")
            inner = getattr(value, name)
            if inner is not None:
                filled.add(f"{path}.{name}")
                _walk(inner, f"{path}.{name}", declared, filled)


def _shown_http(answer: Any) -> dict[str, Any]:
    return {
        "status": answer.status_code,
        "headers": {name.lower(): value for name, value in answer.headers.items()},
        "sent_headers": {name.lower(): value for name, value in answer.http_request.headers.items()},
    }


def _shown_error(error: APIError) -> dict[str, Any]:
    shown: dict[str, Any] = {"type": type(error).__name__, "message": str(error)}
    if isinstance(error, (APIStatusError, APIResponseValidationError)):
        shown.update(status=error.status_code, body=error.body)
        shown["headers"] = {name.lower(): value for name, value in error.response.headers.items()}
        shown["sent_headers"] = {name.lower(): value for name, value in error.request.headers.items()}
    elif isinstance(error, APIConnectionError):
        shown["cause"] = str(error.__cause__)
    return shown


def _webhook_auth(asked: Any) -> Any:
    from retell.lib.webhook_auth import symmetric  # noqa: PLC0415 - version 3.9 has none

    return symmetric[asked["method"]](*asked["args"])


if __name__ == "__main__":
    main()
