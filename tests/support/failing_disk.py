"""`python -m support.failing_disk serve ...`: a server with a bad disk.

It fails once `BROKEN` lies in the data folder, and hangs while `HANGS` does.
"""

import errno
import sys
import time
from pathlib import Path

from retold.cli.options import load_settings
from retold.cli.server import run
from retold.storage.disk import Disk

BROKEN = "disk-is-broken"
HANGS = "disk-hangs"


class FailingDisk(Disk):
    """A disk that takes no commit any more once its folder says so."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def database(self, step: str) -> None:
        if step == "commit" and (self._folder / BROKEN).exists():
            raise OSError(errno.EIO, "made to fail")
        while step == "commit" and (self._folder / HANGS).exists():
            time.sleep(0.1)


if __name__ == "__main__":
    options = dict(zip(sys.argv[2::2], sys.argv[3::2], strict=True))
    data_dir = Path(options["--data-dir"])
    sys.exit(run(load_settings(port=int(options["--port"]), data_dir=data_dir), FailingDisk(data_dir)))
