"""The check of `retold doctor` that runs a piece of code as a code tool would."""

from typing import Final

import anyio

from retold.cli.finding import Finding
from retold.providers.sandbox.process import CodeSandbox
from retold.settings import Settings

NAME: Final = "code tools"
_TIMEOUT_S: Final = 10.0


def check_sandbox(settings: Settings) -> Finding:
    """Code can be run here, and what shuts it in."""
    error = anyio.run(_try, settings.sandbox == "seccomp")
    if error is not None:
        return Finding(
            NAME, "warning", f"fail: {error}", "use Linux on x86-64 or arm64, or see docs/reference/code-tools.md"
        )
    if settings.sandbox == "process":
        return Finding(
            NAME, "warning", "run in a process without a filter of system calls", "unset RETOLD_SANDBOX on Linux"
        )
    return Finding(NAME, "ok", "run in a process with a filter of system calls")


async def _try(needs_filter: bool) -> str | None:
    sandbox = CodeSandbox(needs_filter=needs_filter)
    try:
        return (await sandbox.run("return 1", {}, _TIMEOUT_S)).error
    finally:
        await sandbox.close()
