"""What must hold for every call, whatever happened to the server; used after every crash and failure test."""

import gzip
import wave
from pathlib import Path
from typing import Any

TERMINAL = {"ended", "error", "not_connected"}
RECORDINGS = {
    "recording_url": 1,
    "recording_multi_channel_url": 2,
    "scrubbed_recording_url": 1,
    "scrubbed_recording_multi_channel_url": 2,
}
"""The fields of the call object that name recordings, and how many channels these have."""
_ERRORS = {"concurrency_limit_reached", "registered_call_timeout"}


def check_call(call: dict[str, Any]) -> None:
    """A finished call as the API shows it (or as stored)."""
    assert call["call_status"] in TERMINAL, call["call_status"]
    reason = call["disconnection_reason"]
    is_error = reason.startswith("error_") or reason in _ERRORS
    assert call["call_status"] == ("error" if is_error else "ended"), (reason, call["call_status"])
    if "start_timestamp" in call:
        assert call["end_timestamp"] - call["start_timestamp"] == call["duration_ms"] >= 0
    else:
        assert "duration_ms" not in call
        assert "recording_url" not in call
    for utterance in call.get("transcript_object", []):
        starts = [word["start"] for word in utterance["words"]]
        assert starts == sorted(starts)
        assert all(0 <= word["start"] <= word["end"] for word in utterance["words"])


def check_files(data_dir: Path, call: dict[str, Any]) -> None:
    """The files a finished call names are there, whole, and as long as the call; no scrap of a file lies about."""
    for field, channels in RECORDINGS.items():
        if field not in call:
            continue
        token, name = call[field].rsplit("/", 2)[1:]
        with wave.open(str(data_dir / "files" / token / name), "rb") as recording:
            assert recording.getnchannels() == channels
            frames, rate = recording.getnframes(), recording.getframerate()
            assert frames == round(call["duration_ms"] * rate / 1000)
            assert len(recording.readframes(frames)) == frames * channels * 2
    if "public_log_url" in call:
        token = call["public_log_url"].rsplit("/", 2)[1]
        assert (data_dir / "files" / token / "public_log.txt.gz").exists()
    check_no_scraps(data_dir)


def check_no_scraps(data_dir: Path) -> None:
    """No half-written file is left anywhere."""
    assert [path for path in data_dir.rglob("*.part") if path.name != "ballast.part"] == []


def check_nothing_left(data_dir: Path) -> None:
    """With every call finished, no spool is left."""
    assert spools(data_dir) == []


def spools(data_dir: Path) -> list[Path]:
    """The raw audio of calls that go on, and of those whose end is not done with."""
    return list((data_dir / "spool").glob("*"))


def contains(data_dir: Path, canary: str) -> list[Path]:
    """Every file under the folder that holds the word, also inside compressed logs."""
    found: list[Path] = []
    for path in data_dir.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            if path.suffix == ".gz":
                content += gzip.decompress(content)
            if canary.encode() in content:
                found.append(path)
    return found
