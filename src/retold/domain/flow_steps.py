"""What happens to a walk through a flow, and what the walk wants done; pure values."""

from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import Literal

from retold.domain.flow_map import Path

TransitionType = Literal["normal", "global", "global_go_back", "interrupt_go_back"]


# --- what happens -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Began:
    """The call begins, in this node or where the flow starts; the caller may be the one to speak first."""

    path: Path | None = None
    is_caller_first: bool = False


@dataclass(frozen=True, slots=True)
class CallerSpoke:
    """The caller has said something that wants an answer, or has been silent for so long that the agent begins.

    `is_unheard` says that the answer to what came before was cut off before a word of it was heard.
    """

    is_unheard: bool = False


@dataclass(frozen=True, slots=True)
class CallerSilent:
    """The caller has not answered: the agent is to say something again."""


@dataclass(frozen=True, slots=True)
class AgentSpoke:
    """What the node wanted said has been said; `has_words` is False when there was nothing to say."""

    has_words: bool = True


@dataclass(frozen=True, slots=True)
class Chosen:
    """The model chose an option by its label, or none."""

    label: str | None


@dataclass(frozen=True, slots=True)
class ToolDone:
    """The tool of the node's run of this number gave its result, or failed."""

    run: int
    is_successful: bool


Event = Began | CallerSpoke | CallerSilent | AgentSpoke | Chosen | ToolDone


# --- what is wanted ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Entered:
    """The walk came to a node: to be recorded, and its settings hold from now on. No former path at the beginning."""

    former: Path
    new: Path
    kind: TransitionType


@dataclass(frozen=True, slots=True)
class SayText:
    """Say this text of the node; its variables are not filled in yet."""

    path: Path
    text: str


@dataclass(frozen=True, slots=True)
class SayByPrompt:
    """Say what the model makes of the node's instruction.

    `is_first` is False when the node has spoken before, `is_reminder` True when the caller has been silent for long.
    """

    path: Path
    is_first: bool = True
    is_reminder: bool = False


@dataclass(frozen=True, slots=True)
class Option:
    """One way that the model may choose."""

    label: str
    condition: str
    """Its variables are not filled in yet."""
    target: Path | None
    """Where it leads, as examples name it; None for the way back from a global node, or out of a component."""
    edge_id: str | None = None
    """Of an edge of the node itself."""
    is_back: bool = False
    is_global: bool = False


@dataclass(frozen=True, slots=True)
class Choose:
    """Ask the model which of these ways the conversation takes, if any."""

    path: Path
    options: tuple[Option, ...]


@dataclass(frozen=True, slots=True)
class RunTool:
    """Do what the node does: its function, code, message, key press, transfer, swap or reading of variables."""

    path: Path
    run: int


@dataclass(frozen=True, slots=True)
class EndCall:
    """Hang up once all has been said."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing is to be done until the caller speaks."""


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The flow goes in a circle in which nobody listens to the caller: these nodes, by name."""

    names: tuple[str, ...]


Want = Entered | SayText | SayByPrompt | Choose | RunTool | EndCall | Wait | GiveUp


# --- where a walk stands ----------------------------------------------------------------------


class Awaits(Enum):
    """What has to happen next."""

    BEGIN = auto()
    CALLER_FIRST = auto()
    """The node has not spoken, because the caller is to speak first."""
    CALLER = auto()
    SPEECH = auto()
    """The agent to have spoken; then the caller."""
    SPEECH_TO_GO_ON = auto()
    """The agent to have spoken; then the node is left."""
    CHOICE = auto()
    TOOL = auto()
    NOTHING = auto()
    """The walk is over."""


@dataclass(frozen=True, slots=True)
class Return:
    """A global node, and where the conversation was when it was entered."""

    of: Path
    to: Path


@dataclass(frozen=True, slots=True)
class Walk:
    """Where a conversation is in its flow."""

    path: Path = ()
    awaits: Awaits = Awaits.BEGIN
    entered: Path = ()
    """The node that was entered last; `path` is its component while the model chooses how to leave that."""
    options: tuple[Option, ...] = ()
    """What the model was asked to choose among."""
    has_heard: bool = False
    """Whether the caller has ever spoken."""
    may_speak: bool = False
    """Whether the node has yet to speak if the model chooses nothing: it was asked whether the node can be skipped."""
    returns: tuple[Return, ...] = ()
    cooling: dict[Path, int] = field(default_factory=dict[Path, int])
    """Transitions until a global node may be entered again."""
    passed: tuple[Path, ...] = ()
    """Nodes entered since the caller spoke."""
    runs: int = 0
    """Tools run so far."""
    before: "Walk | None" = None
    """Where the caller last spoke, while it can still be taken back."""

    def without_past(self) -> "Walk":
        """The same, but nothing can be taken back."""
        return replace(self, before=None)
