"""What a node does, from its start to its result."""

from dataclasses import dataclass

from retold.responders.mind.tool_runs import Run
from retold.responders.mind.turn import Turn


@dataclass(slots=True)
class NodeRun:
    """What a node does while it is done: the run of this number of the walk."""

    number: int
    run: Run
    is_shown: bool = False

    @property
    def is_successful(self) -> bool:
        """Whether it gave what it should."""
        return self.run.result is not None and self.run.result.successful

    async def finish(self, turn: Turn) -> None:
        """Wait for the result; the turn then has it. Cancelling leaves it running."""
        await self.run.done.wait()
        use, result = self.run.use, self.run.result
        if result is not None and use.id in turn.used and not self.is_shown:
            turn.used_tools("", (use,), (result.shown,))
        self.is_shown = True
