"""Every error Retold raises on purpose.

RetoldError
|-- ApiError                   a request cannot be served; carries its HTTP status
|   |-- InvalidRequest         400
|   |-- Unauthorized           401
|   |-- Forbidden              403
|   |-- NotFound               422 (Retell's status for an unknown id)
|   |-- NoSuchResource         404 (where Retell answers so)
|   |-- NoSuchFile             404
|   |-- Conflict               409
|   |-- UnderWay               409
|   |-- AnswerNotKept          409
|   |-- IdempotencyKeyReused   422
|   |-- PreconditionFailed     412
|   |-- PayloadTooLarge        413
|   |-- RateLimited            429
|   `-- Unavailable            503
|-- CallFailed                 a call must end; domain.reasons.reason_for() says with which reason
|   |-- FrontendCorrupted      a malformed frame on the caller's socket
|   |-- NoAudioReceived        nothing came from the caller
|   |-- RecognitionFailed      speech to text
|   |-- SynthesisFailed        text to speech
|   |-- LlmOpenFailed          the LLM websocket never opened, or closed without a code
|   |-- LlmConnectionLost      keepalive lost and the reconnects used up
|   |-- LlmRuntimeFailed       the LLM websocket closed with an unexpected code
|   |-- LlmCorruptPayload      a binary frame from the LLM server
|   |-- FlowStuck              the agent's flow goes in a circle without the caller
|   `-- ModelLost              the language model behind the agent is not configured, or fails again and again
|-- ModelFailed                a language model gave no whole answer
|-- ClaimLost                another process has taken over what this one was doing
|-- UnreadableAudio            an audio file is damaged or of a kind we do not read
|-- ScenarioInvalid            a scenario of `retold call` cannot be played
|-- CallNotPlaced              `retold call` cannot reach its server, or is refused
|-- OutboundError              an address that a user named cannot be used
|   |-- AddressRefused         it is malformed, or on a network that agents may not reach
|   `-- ConnectFailed          nobody answers there, or not with a websocket
|       `-- SessionOver        an MCP server has forgotten what it was asked before
|-- BackupRefused              a backup cannot be made, or a file or folder is not fit for restoring one
`-- StorageError               the disk refused
    |-- StorageFull            no space left
    |-- StorageAway            the database server does not answer; it may come back
    `-- StorageBroken          an fsync or a read failed: the process must not go on
"""

import math
from typing import ClassVar


class RetoldError(Exception):
    """Base of all errors raised on purpose; the message names thing, value and remedy."""


class ApiError(RetoldError):
    """A request that cannot be served; the subclass gives the HTTP status."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    retry_after_s: int | None = None
    """When it is worth while to ask again."""

    def __init__(self, message: str, *, field: str | None = None, fix: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.fix = fix


class InvalidRequest(ApiError):
    """The request is malformed or names a value that cannot be."""

    status = 400
    code = "invalid_request"


class Unauthorized(ApiError):
    """No key, or one that is unknown or revoked."""

    status = 401
    code = "unauthorized"


class Forbidden(ApiError):
    """The key is good, but lacks the scope that the route asks for."""

    status = 403
    code = "forbidden"


class NotFound(ApiError):
    """The id is unknown to this organisation. 422, as Retell answers."""

    status = 422
    code = "not_found"


class NoSuchResource(ApiError):
    """The id is unknown to this organisation. 404, where Retell answers so."""

    status = 404
    code = "not_found"


class NoSuchFile(ApiError):
    """No recording or log behind this path."""

    status = 404
    code = "file_not_found"


class Conflict(ApiError):
    """The resource is in a state that forbids the change."""

    status = 409
    code = "conflict"


class UnderWay(ApiError):
    """The same request is being worked on: asking again helps."""

    status = 409
    code = "request_in_progress"
    retry_after_s = 1


class AnswerNotKept(ApiError):
    """The same request took effect before, and what it was answered is not known: asking again is pointless."""

    status = 409
    code = "answer_not_kept"


class IdempotencyKeyReused(ApiError):
    """The idempotency key belongs to another request."""

    status = 422
    code = "idempotency_key_reused"


class PreconditionFailed(ApiError):
    """A version that is published cannot change."""

    status = 412
    code = "precondition_failed"


class PayloadTooLarge(ApiError):
    """The body is over the limit."""

    status = 413
    code = "payload_too_large"


class RateLimited(ApiError):
    """Too many requests with one key, or too many wrong keys from one address."""

    status = 429
    code = "rate_limited"

    def __init__(self, wait_s: float, *, fix: str) -> None:
        super().__init__("Account rate limited, please throttle your requests.", fix=fix)
        self.retry_after_s = max(1, math.ceil(wait_s))


class Unavailable(ApiError):
    """The server cannot take this now: draining, starting or out of disk."""

    status = 503
    code = "unavailable"
    retry_after_s = 5


class CallFailed(RetoldError):
    """A call cannot go on."""


class FrontendCorrupted(CallFailed):
    """A malformed frame on the caller's socket."""


class NoAudioReceived(CallFailed):
    """The caller is connected but sends nothing."""


class RecognitionFailed(CallFailed):
    """Speech to text failed for good."""


class SynthesisFailed(CallFailed):
    """Text to speech failed for good."""


class LlmOpenFailed(CallFailed):
    """The LLM websocket never opened, or closed in mid-call without a code."""


class LlmConnectionLost(CallFailed):
    """The LLM websocket's keepalive was lost and the reconnects are used up."""


class LlmRuntimeFailed(CallFailed):
    """The LLM websocket failed or closed with an unexpected code."""


class LlmCorruptPayload(CallFailed):
    """The LLM server sent a frame that the protocol forbids."""


class FlowStuck(CallFailed):
    """The agent's conversation flow goes in a circle of nodes that do not wait for the caller."""


class ModelLost(CallFailed):
    """There is no language model to speak with: none is configured, or it fails again and again."""


class ModelFailed(RetoldError):
    """A language model did not give a whole answer; `status` is that of HTTP, where the server gave one.

    `is_retryable` says that the same request may succeed a moment later: the server is busy, broken or out of reach.
    """

    def __init__(self, detail: str, *, is_retryable: bool, status: int | None = None) -> None:
        super().__init__(detail)
        self.is_retryable = is_retryable
        self.status = status


class ClaimLost(RetoldError):
    """Another process has taken over what this one was doing: its work is not written."""


class UnreadableAudio(RetoldError):
    """An audio file is damaged, too big or of a kind we do not read."""


class ScenarioInvalid(RetoldError):
    """A scenario of `retold call` is malformed; the message names step, field, value and remedy."""


class CallNotPlaced(RetoldError):
    """`retold call` cannot start or reach its server, or the server refuses the call."""


class OutboundError(RetoldError):
    """An address that a user named cannot be used."""


class AddressRefused(OutboundError):
    """The address is malformed or forbidden: trying again is pointless."""


class ConnectFailed(OutboundError):
    """The address may be used, but connecting failed: trying again may help."""


class SessionOver(ConnectFailed):
    """An MCP server knows the session no more; what it was asked it has not done."""


class BackupRefused(RetoldError):
    """A backup cannot be made, or it is not whole, or the place where it is to be restored is taken."""


class StorageError(RetoldError):
    """The disk refused a read or a write."""


class StorageFull(StorageError):
    """No space left on the data folder's disk."""


class StorageAway(StorageError):
    """The database server does not answer, or refuses to serve; a later try may succeed."""


class StorageBroken(StorageError):
    """A write may not have reached the disk; acknowledging anything more would be a lie."""
