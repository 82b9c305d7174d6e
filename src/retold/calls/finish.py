"""How a call becomes its record: one way, for the normal end and for recovery after a crash.

events -> fold, scrubbed copies -> recordings -> public log -> terminal transaction (row in, journal out)
-> spool removed

Every step may be cut off by a crash and is then repeated from the journal and the spool, with the same result.
"""

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import anyio
import orjson
from structlog.stdlib import get_logger

from retold.calls.consequences import NOBODY, audience_of
from retold.calls.scrub import Scrub, as_stored, scrubbed
from retold.calls.unstored import UnstoredCalls
from retold.crash import crash_point
from retold.domain.analysis import ANALYSIS_JOB
from retold.domain.call import CallRecord
from retold.domain.call_parts import LlmTokenUsage
from retold.domain.consequences import Consequences, NewJob
from retold.domain.pii.transcript import muted_in, scrub_call
from retold.domain.prices import cost_of
from retold.domain.reasons import CallStatus, DisconnectionReason, status_for
from retold.domain.transcript import as_text
from retold.domain.webhook_events import NO_WEBHOOK, Moment, OrgWebhook
from retold.engine.public_log import public_log
from retold.engine.report import CallReport, fold
from retold.engine.timeline import AnyEvent, CallConnected, EndIntended
from retold.engine.unanswered import with_unanswered
from retold.ids import CallId, OrgId, new_job_id
from retold.settings import Price
from retold.storage.disk import Disk
from retold.storage.files import PUBLIC_LOG, FileOwner, folder_of, remove_files, write_log, write_owner
from retold.storage.recordings import MULTI_CHANNEL, RECORDING, SCRUBBED, SCRUBBED_MULTI_CHANNEL, Recording, encode
from retold.storage.sealed_audio import SealedPair
from retold.storage.store import Store, with_call
from retold.storage.tape import remove_spool, spooled_calls, spooled_samples
from retold.storage.unstored_recording import UnstoredRecording

ENCODERS = 2
"""Recordings that are encoded side by side; the others wait, and hold neither a thread nor a slot for calls."""


@dataclass(frozen=True, slots=True)
class Archive:
    """Where finished calls go."""

    store: Store
    data_dir: Path
    disk: Disk
    unstored: UnstoredCalls
    """What may not go there."""
    fallback_webhook: OrgWebhook = NO_WEBHOOK
    """Who is told of calls when neither their agents nor their organisations have a webhook."""
    scrub: Scrub = scrub_call
    """Searches for personal data."""
    prices: Mapping[str, Price] = field(default_factory=dict[str, Price])
    """What calls cost, by product."""
    is_analysing: bool = False
    """Whether the end of each call leaves a job for its analysis."""
    encoders: anyio.Semaphore = field(default_factory=lambda: anyio.Semaphore(ENCODERS))

    @property
    def spool(self) -> Path:
        """Where the recordings of running calls are."""
        return self.data_dir / "spool"


async def finish(  # noqa: PLR0913 - each a fact of its own, most with a default
    record: CallRecord,
    events: Sequence[AnyEvent],
    archive: Archive,
    *,
    is_recording_complete: bool,
    is_recorded_here: bool = True,
    is_replayed: bool = False,
    sealed: SealedPair | None = None,
) -> CallRecord:
    """Write down a call that is over, once and for all; gives what is stored.

    `is_recorded_here` is whether its audio, if there was any, lies in this server's folder: else it is encoded when
    the server that recorded it is back. Of a call that may not be stored the whole goes to `archive.unstored`, unless
    it `is_replayed` from a journal, which never had it; `sealed` is its audio. Recordings and log that the disk does
    not take are left out, the row is not. Cancelled, it leaves a call to recovery and stops writing its files. Raises
    StorageError.
    """
    crash_point("finish_begun")
    events = with_unanswered(events)
    told = await asyncio.to_thread(_told, record, events, archive)
    finished = told.record
    crash_point("finish_folded")
    if record.call.stores_sensitive_data:
        has_recording = is_recorded_here and await _encode(_recording(finished, told.sample_rate), record, archive)
        start_wall_ms = finished.call.start_timestamp or 0
        has_log = await asyncio.to_thread(_write_log, told.logged, start_wall_ms, record, archive)
        finished = _with_files(finished, record.files_token, has_recording=has_recording, has_log=has_log)
        is_recording_complete = is_recording_complete and has_recording
    else:
        if not is_replayed:
            await _keep_whole(told, sealed, archive)
            finished = await _scrubbed_copy(told, sealed, archive)
        finished = finished.permitted()
    finished = finished.model_copy(update={"is_recording_complete": is_recording_complete})
    consequences = await _of_end(finished, archive)
    if not await archive.store.finish_call(finished, consequences=consequences):
        return await _as_stored(record, archive) or finished
    if not record.call.stores_sensitive_data or finished.call.recording_url:
        # The spool of a recording that found no room is kept: `salvage` encodes it later.
        await asyncio.to_thread(remove_spool, archive.spool, record.call.call_id)
    crash_point("spool_removed")
    return finished


async def _keep_whole(told: "_Told", sealed: SealedPair | None, archive: Archive) -> None:
    """Keep for ten minutes, in memory, what may not be stored."""
    whole = told.record
    recording = sealed and UnstoredRecording(_recording(whole, told.sample_rate), *sealed)
    whole = _with_files(whole, whole.files_token, has_recording=recording is not None)
    await asyncio.to_thread(archive.unstored.put, whole, recording)


async def _scrubbed_copy(told: "_Told", sealed: SealedPair | None, archive: Archive) -> CallRecord:
    """The call without its personal data, if it may be stored so, its files written; else as it was told."""
    whole, transcript = told.record, told.record.call.scrubbed_transcript_with_tool_calls
    if not whole.call.stores_scrubbed_data or transcript is None:
        return whole
    has_recording = sealed is not None and await _encode(_recording(whole, told.sample_rate, sealed), whole, archive)
    start_wall_ms = whole.call.start_timestamp or 0
    has_log = await asyncio.to_thread(_write_log, told.logged, start_wall_ms, whole, archive)
    stored = as_stored(whole, transcript, told.logged)
    return _with_files(stored, whole.files_token, has_recording=has_recording, has_log=has_log)


async def end_unjoined(
    record: CallRecord, reason: DisconnectionReason, end_wall_ms: int, archive: Archive
) -> CallRecord | None:
    """Write down a call that nobody spoke on; None when it was joined or ended meanwhile. Raises StorageError."""
    crash_point("unjoined_begun")
    ended = with_call(
        record,
        call_status=status_for(reason),
        disconnection_reason=reason,
        end_timestamp=max(end_wall_ms, record.created_wall_ms),
    )
    consequences = await _of_end(ended, archive)
    is_ended = await archive.store.finish_call(ended, expected=CallStatus.REGISTERED, consequences=consequences)
    crash_point("unjoined_committed")
    if is_ended:
        get_logger().info("call_ended", call_id=record.call.call_id, reason=reason.value)
    return ended if is_ended else None


async def salvage(archive: Archive, *, is_live: Callable[[str], bool]) -> None:
    """Encode the spools of finished calls whose recording found no room on the disk; remove all other strays.

    Raises StorageError and OSError.
    """
    for call_id in await asyncio.to_thread(spooled_calls, archive.spool):
        record = await archive.store.find_call(None, CallId(call_id))
        if is_live(call_id) or (record is not None and not record.call.call_status.is_terminal):
            continue
        if record is not None and record.call.stores_sensitive_data and record.call.recording_url is None:
            if not await _encode(_recording(record, record.audio.sample_rate), record, archive):
                continue
            await _show_recording(record, archive)
        await asyncio.to_thread(remove_spool, archive.spool, call_id)


async def _show_recording(record: CallRecord, archive: Archive) -> None:
    """Put the addresses of a late recording into the row as it is by now; a call that may not have one loses it."""

    def shown(current: CallRecord) -> CallRecord:
        may_have = current.call.stores_sensitive_data
        return _with_files(current, current.files_token, has_recording=True) if may_have else current

    stored = await archive.store.change_call(OrgId(record.org_id), CallId(record.call.call_id), shown)
    if stored is None or not stored.call.stores_sensitive_data:
        await erase(record, archive)


async def has_spool(record: CallRecord, archive: Archive) -> bool:
    """Whether this folder has the audio of a call that may have been another server's."""
    if not archive.store.is_shared:
        return True
    return await asyncio.to_thread(spooled_samples, archive.spool, record.call.call_id) > 0


async def erase(record: CallRecord, archive: Archive) -> None:
    """Delete what was heard and said on a call outside its row: recordings, log and spool. Raises OSError."""
    await asyncio.to_thread(remove_files, archive.data_dir, record.files_token)
    await asyncio.to_thread(remove_spool, archive.spool, record.call.call_id)


async def _of_end(record: CallRecord, archive: Archive) -> Consequences:
    """What follows from the end of this call, as it may be stored."""
    jobs = (NewJob(job_id=new_job_id(), kind=ANALYSIS_JOB),) if archive.is_analysing else ()
    audience = await audience_of(archive.store, record, archive.fallback_webhook)
    if audience is NOBODY:
        return Consequences(jobs=jobs)
    at_ms = record.call.end_timestamp or record.created_wall_ms
    # To write a long transcript as JSON is not for the event loop.
    consequences = await asyncio.to_thread(audience.follows, Moment.ENDED, record, at_ms)
    return replace(consequences, jobs=jobs)


async def _as_stored(record: CallRecord, archive: Archive) -> CallRecord | None:
    """The call as somebody else has ended it; one that was deleted meanwhile leaves nothing behind."""
    call_id = CallId(record.call.call_id)
    stored = await archive.store.find_call(None, call_id)
    if stored is None:
        archive.unstored.forget(call_id)
        await archive.store.forget_journal(call_id)
        await erase(record, archive)
    return stored


@dataclass(frozen=True, slots=True)
class _Told:
    """What the events of a call tell."""

    record: CallRecord
    """Without its files."""
    sample_rate: int
    logged: Sequence[AnyEvent]
    """What its public log is made of; nothing when no log may be written."""


def _told(record: CallRecord, events: Sequence[AnyEvent], archive: Archive) -> _Told:
    """Everything but the files. Takes 0.3 s for an hour, and a second more when personal data is searched for."""
    connected = next((event for event in events if isinstance(event, CallConnected)), None)
    sample_rate = connected.sample_rate if connected else record.audio.sample_rate
    end_ms = None
    if not any(isinstance(event, EndIntended) for event in events):
        # A call that died ended with the last sign of life, in the journal or in the recording.
        spooled_ms = spooled_samples(archive.spool, record.call.call_id) * 1000 / sample_rate
        end_ms = max([spooled_ms, *(event.at_ms for event in events)])
    start_wall_ms = connected.wall_ms if connected else (record.call.start_timestamp or record.created_wall_ms)
    report = fold(events, end_ms=end_ms)
    finished = _finished(record, report, start_wall_ms)
    finished = with_call(finished, call_cost=cost_of(finished.call, archive.prices))
    if not record.scrubbed_categories:
        return _Told(finished, sample_rate, events)
    copies = scrubbed(record, report.items, events, archive.scrub)
    if copies is None:
        return _Told(finished, sample_rate, ())
    return _Told(with_call(finished, scrubbed_transcript_with_tool_calls=copies.transcript), sample_rate, copies.events)


def _recording(record: CallRecord, sample_rate: int, sealed: SealedPair | None = None) -> Recording:
    """What is to be encoded of a call that is over: its scrubbed transcript says what to mute."""
    transcript = record.call.scrubbed_transcript_with_tool_calls
    muted = None if transcript is None else muted_in(transcript)
    return Recording(record.call.call_id, sample_rate, record.call.duration_ms or 0, muted, sealed)


def _finished(record: CallRecord, report: CallReport, start_wall_ms: int) -> CallRecord:
    """All that is known of the call, whether it may be stored or not."""
    latency = report.latency
    fields: dict[str, Any] = {
        "call_status": status_for(report.reason),
        "disconnection_reason": report.reason,
        "start_timestamp": start_wall_ms,
        "end_timestamp": start_wall_ms + report.duration_ms,
        "duration_ms": report.duration_ms,
        "latency": latency,
        "e2e_latency": latency.e2e,
        "llm_latency": latency.llm,
        "llm_websocket_network_rtt_latency": latency.llm_websocket_network_rtt,
        "llm_token_usage": LlmTokenUsage.of(report.request_tokens),
        "transcript": as_text(report.utterances),
        "transcript_object": [utterance.wire() for utterance in report.utterances],
        "transcript_with_tool_calls": [item.wire() for item in report.items],
        "collected_dynamic_variables": dict(report.variables) or None,
    }
    if report.tool_latencies_ms:
        latencies = orjson.dumps(report.tool_latencies_ms).decode()
        record = record.model_copy(update={"tool_latencies_json": latencies})
    return with_call(record, **fields)


def _with_files(
    record: CallRecord, files_token: str, *, has_recording: bool = False, has_log: bool = False
) -> CallRecord:
    """The record with paths from the server's root; who shows them puts the server's address in front."""
    folder = f"/files/{files_token}"
    paths: dict[str, object] = {}
    if has_recording:
        paths = {"recording_url": f"{folder}/{RECORDING}", "recording_multi_channel_url": f"{folder}/{MULTI_CHANNEL}"}
    if has_recording and record.call.scrubbed_transcript_with_tool_calls is not None:
        paths["scrubbed_recording_url"] = f"{folder}/{SCRUBBED}"
        paths["scrubbed_recording_multi_channel_url"] = f"{folder}/{SCRUBBED_MULTI_CHANNEL}"
    if has_recording and record.is_scrubbed:
        # There are no others.
        paths["recording_url"] = paths["scrubbed_recording_url"]
        paths["recording_multi_channel_url"] = paths["scrubbed_recording_multi_channel_url"]
    if has_log:
        paths["public_log_url"] = f"{folder}/{PUBLIC_LOG}"
    return with_call(record, **paths)


async def _encode(recording: Recording, record: CallRecord, archive: Archive) -> bool:
    """Encode in a thread, however long it takes; False when the disk does not take it."""
    is_unwanted = threading.Event()
    target = folder_of(archive.data_dir, record.files_token)
    try:
        async with archive.encoders:
            owner = FileOwner(record.org_id, record.call.call_id)
            await asyncio.to_thread(write_owner, archive.data_dir, record.files_token, owner)
            await asyncio.to_thread(encode, recording, archive.spool, target, archive.disk, is_unwanted.is_set)
    except OSError as error:
        get_logger().error("recording_not_written", call_id=record.call.call_id, error=str(error))
        return False
    finally:
        # A thread cannot be cancelled: it is told, and leaves after the chunk it is at.
        is_unwanted.set()
    crash_point("recording_encoded")
    return True


def _write_log(events: Sequence[AnyEvent], start_wall_ms: int, record: CallRecord, archive: Archive) -> bool:
    if not events:
        return False
    try:
        write_owner(archive.data_dir, record.files_token, FileOwner(record.org_id, record.call.call_id))
        write_log(public_log(events, start_wall_ms), archive.data_dir, record.files_token, archive.disk)
    except OSError as error:
        get_logger().error("public_log_not_written", call_id=record.call.call_id, error=str(error))
        return False
    crash_point("log_written")
    return True
