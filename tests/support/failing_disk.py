"""`python -m support.failing_disk serve ...`: a server whose disk fails once `BROKEN` lies in its data folder."""

import errno
import sys
from pathlib import Path

from retold.cli.options import load_settings
from retold.cli.server import run
from retold.storage.disk import Disk

BROKEN = "disk-is-broken"


class FailingDisk(Disk):
    """A disk that takes no commit any more once its folder says so."""

    def __init__(self, folder: Path) -> None:
        self._mark = folder / BROKEN

    def database(self, step: str) -> None:
        if step == "commit" and self._mark.exists():
            raise OSError(errno.EIO, "made to fail")


if __name__ == "__main__":
    options = dict(zip(sys.argv[2::2], sys.argv[3::2], strict=True))
    data_dir = Path(options["--data-dir"])
    sys.exit(run(load_settings(port=int(options["--port"]), data_dir=data_dir), FailingDisk(data_dir)))
