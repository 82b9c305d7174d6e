"""Speech packages that are broken, for servers whose speech must fail: put them before the installed ones."""

from collections.abc import Mapping
from pathlib import Path

_NO_VOICE = 'raise ImportError("this hibari was broken by a test")\n'
_NO_NETWORK = """
class SessionOptions:
    pass

class InferenceSession:
    def __init__(self, *arguments, **options):
        pass

    def run(self, *arguments, **options):
        raise ZeroDivisionError("an error that nobody foresaw")
"""


def broken_speech(folder: Path) -> Mapping[str, str]:
    """The environment of a server that cannot speak, and that has a bug wherever it listens to the caller."""
    for package, code in (("hibari", _NO_VOICE), ("onnxruntime", _NO_NETWORK)):
        (folder / package).mkdir(parents=True)
        (folder / package / "__init__.py").write_text(code)
    return {"PYTHONPATH": str(folder), "RETOLD_VAD": "local", "RETOLD_TTS": "local"}
