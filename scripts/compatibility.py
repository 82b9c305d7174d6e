"""Print docs/reference/compatibility.md, made from the official SDK's own methods; redirect it into that file.

A method is supported when a test of tests/contract says `covers` of it, and fully so unless gaps.toml there has a line;
that file also says what methods wait for that are not served.
"""

import ast
import inspect
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from retell import Retell
from retell._resource import SyncAPIResource

ROOT = Path(__file__).resolve().parent.parent
CONTRACT = ROOT / "tests" / "contract"

HEAD = """\
# Compatibility

Which methods of the official SDK work against a Retold server: those of the Python client {version}, the newest.
"Fully" and "partly" are what `tests/contract` does with the real packages: Python 6.2.13, 5.64, 5.0, 4.7, 4.6 and 3.9,
each answer validated strictly, and `retell-sdk` 5.66.1 from npm. The newest client asks
servers on SQLite and on PostgreSQL.

<!-- Made by scripts/compatibility.py from the SDK, the tests and tests/contract/gaps.toml; a test compares. -->

| support | methods | meaning |
|---|---|---|
"""
MEANINGS = {
    "fully": "does what Retell does",
    "partly": "works; the line says what is missing",
    "not yet": "not served: answered 404, code `route_not_found`, unless the line says otherwise",
}
OLDER = """
## Methods of older clients

Methods that the newest client has no more, or never had. They are served as long as a client calls them.

| method | support | missing |
|---|---|---|
"""
_REQUEST = re.compile(r'self\._(get|post|put|patch|delete)\(\s*(?:path_template\(\s*)?f?"([^"]+)"')


@dataclass(frozen=True, slots=True)
class Method:
    """One method of the SDK, as "call.retrieve", and the request it makes, as "GET /v2/get-call/{call_id}"."""

    name: str
    request: str

    @property
    def resource(self) -> str:
        """The part before the dot."""
        return self.name.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Gaps:
    """What is missing, as tests/contract/gaps.toml has it: of methods that work, of others, and of whole resources."""

    partly: dict[str, str]
    not_yet: dict[str, str]
    resources: dict[str, str]


def main() -> int:
    """Print the page; 1 when gaps.toml names what is not what it says."""
    covered, methods = covered_methods(), sdk_methods()
    gaps = Gaps(**tomllib.loads((CONTRACT / "gaps.toml").read_text()))
    served_resources = {name.partition(".")[0] for name in covered}
    wrong = {
        "says partly of what no test covers": set(gaps.partly) - covered,
        "says not yet of what a test covers": set(gaps.not_yet) & covered,
        "names a method that the client has not": set(gaps.not_yet) - {method.name for method in methods},
        "lacks a word on a resource": {method.resource for method in methods} - served_resources - set(gaps.resources),
        "has a word on a resource that is served": set(gaps.resources) & served_resources,
    }
    for what, names in wrong.items():
        if names:
            print(f"gaps.toml {what}: {', '.join(sorted(names))}", file=sys.stderr)
    if any(wrong.values()):
        return 1
    print(page(methods, covered, gaps), end="")
    return 0


def page(methods: list[Method], covered: set[str], gaps: Gaps) -> str:
    """The whole page."""

    def support(name: str) -> str:
        return "not yet" if name not in covered else "partly" if name in gaps.partly else "fully"

    missing = gaps.partly | gaps.not_yet
    counts = Counter(support(method.name) for method in methods)
    lines = [HEAD.format(version=metadata.version("retell-sdk"))]
    lines += [f"| {kind} | {counts[kind]} | {meaning} |\n" for kind, meaning in MEANINGS.items()]
    for resource in dict.fromkeys(method.resource for method in methods):
        lines.append(f"\n## {resource}\n\n")
        if resource in gaps.resources:
            lines.append(f"{gaps.resources[resource]}\n\n")
        lines.append("| method | request | support | missing |\n|---|---|---|---|\n")
        lines += [
            f"| `{method.name}` | `{method.request}` | {support(method.name)} | {missing.get(method.name, '')} |\n"
            for method in methods
            if method.resource == resource
        ]
    lines.append(OLDER)
    older = sorted(covered - {method.name for method in methods})
    lines += [f"| `{name}` | {support(name)} | {missing.get(name, '')} |\n" for name in older]
    return re.sub(r"\|  \|$", "| |", "".join(lines), flags=re.MULTILINE)


def sdk_methods() -> list[Method]:
    """Every method of the installed client that makes a request, supported resources and others, by name."""
    with Retell(api_key="none", base_url="http://127.0.0.1:1") as client:
        resources = {name: getattr(client, name) for name in dir(type(client)) if not name.startswith("_")}
        found = [
            Method(f"{name}.{method}", f"{request[1].upper()} {request[2]}")
            for name, resource in resources.items()
            if isinstance(resource, SyncAPIResource)
            for method, function in inspect.getmembers(type(resource), inspect.isfunction)
            if not method.startswith("_") and (request := _REQUEST.search(inspect.getsource(function)))
        ]
    return sorted(found, key=lambda method: method.name)


def covered_methods() -> set[str]:
    """What the tests' `covers` marks name."""
    return {name for path in sorted(CONTRACT.glob("test_*.py")) for name in _marked(ast.parse(path.read_text()))}


def _marked(tree: ast.Module) -> Iterator[str]:
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef):
            for mark in function.decorator_list:
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.covers":
                    yield from (ast.literal_eval(argument) for argument in mark.args)


if __name__ == "__main__":
    sys.exit(main())
