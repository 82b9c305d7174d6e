"""Named points at which a test may kill the process, so that recovery is proved at each of them.

`RETOLD_CRASH_AT=<name>` kills at the first passage, `<name>:<n>` at the n-th. Unset, a point costs one look-up.
"""

import os
import signal

CRASH_AT = "RETOLD_CRASH_AT"
"""The environment variable that arms one point."""

CRASH_POINTS = (
    "create_in_transaction",
    "create_committed",
    "start_in_transaction",
    "start_committed",
    "connected_appended",
    "journal_in_transaction",
    "journal_committed",
    "tape_before_write",
    "tape_written",
    "tape_synced",
    "session_over",
    "finish_begun",
    "call_scrubbed",
    "finish_folded",
    "recording_half_written",
    "recording_before_rename",
    "recording_first_renamed",
    "recording_encoded",
    "log_before_rename",
    "log_written",
    "terminal_in_transaction",
    "terminal_committed",
    "spool_removed",
    "webhook_claim_in_transaction",
    "webhook_claimed",
    "webhook_sent",
    "webhook_note_in_transaction",
    "webhook_noted",
    "secrets_in_transaction",
    "secrets_resealed",
    "unjoined_begun",
    "unjoined_committed",
    "job_claim_in_transaction",
    "job_claimed",
    "analysis_made",
    "change_in_transaction",
    "change_committed",
    "erase_files_removed",
    "erase_committed",
    "migrating",
    "recovery_begun",
    "recovery_replayed",
    "recovery_call_done",
    "recovery_done",
)
"""Every point from the creation of a call to the end of recovery, in that order."""


def crash_point(name: str) -> None:
    """Kill this process with SIGKILL if the environment says so; otherwise do nothing."""
    armed = os.environ.get(CRASH_AT)
    if armed is None:
        return
    wanted, _, passages = armed.partition(":")
    if wanted != name:
        return
    left = int(passages or 1) - 1
    if left <= 0:
        os.kill(os.getpid(), signal.SIGKILL)
    # The countdown lives in the variable itself: no state of our own is kept.
    os.environ[CRASH_AT] = f"{name}:{left}"
