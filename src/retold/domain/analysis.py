"""The analysis of a call after its end: what its agent wants to know, what was found, and what the record says of it.

Rules of SDK 6.2.13, `post_call_analysis_data`: a required field that could not be found makes the call unsuccessful,
and `conditional_prompt` counts only for fields that are not required.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from pydantic import JsonValue

from retold.domain.agent_options import AnalysisItem, EnumAnalysisItem, PresetAnalysisItem
from retold.domain.call import Call
from retold.domain.call_parts import CallAnalysis

Sentiment = Literal["Negative", "Positive", "Neutral", "Unknown"]
Analyst = Literal["model", "built_in"]
AnalysisField = AnalysisItem | EnumAnalysisItem

ANALYSIS_JOB: Final = "analysis"
"""The kind of job that analyses a call (domain/consequences.py)."""


@dataclass(frozen=True, slots=True)
class Questions:
    """What is asked of every call of an agent: its own fields, and how it wants the ready-made ones."""

    fields: tuple[AnalysisField, ...] = ()
    presets: Mapping[str, PresetAnalysisItem] = field(default_factory=dict[str, PresetAnalysisItem])
    """By name; a ready-made analysis that is not named here is made as it comes."""

    @classmethod
    def of(
        cls,
        items: Sequence[AnalysisField | PresetAnalysisItem] | None,
        fill: Callable[[str], str] = lambda template: template,
    ) -> "Questions":
        """The questions of an agent; `fill` puts the call's variables into descriptions and conditions."""
        filled = [item.model_copy(update=_filled(item, fill)) for item in items or ()]
        return cls(
            tuple(item for item in filled if not isinstance(item, PresetAnalysisItem)),
            {item.name: item for item in filled if isinstance(item, PresetAnalysisItem)},
        )

    def is_optional(self, preset: str) -> bool:
        """Whether a ready-made analysis may be left out."""
        item = self.presets.get(preset)
        return item is not None and (item.required is False or (not item.required and bool(item.conditional_prompt)))


@dataclass(frozen=True, slots=True)
class Findings:
    """What an analyst found; None, or a field that is not there, where it found nothing."""

    call_summary: str | None = None
    call_successful: bool | None = None
    user_sentiment: Sentiment | None = None
    in_voicemail: bool | None = None
    values: Mapping[str, JsonValue] = field(default_factory=dict[str, JsonValue])


def has_connected(call: Call) -> bool:
    """Whether anybody was on the line; only then is there something to read out of a call."""
    return call.start_timestamp is not None


def not_connected(call: Call) -> Findings:
    """All there is to say of a call that nobody was on."""
    reason = f" ({call.disconnection_reason})" if call.disconnection_reason else ""
    return Findings(f"The call did not connect{reason}.", False, "Unknown", False)


def concluded(questions: Questions, found: Findings, analyst: Analyst) -> CallAnalysis:
    """The `call_analysis` of a call; one that was not made by a language model says so in `analyst`."""
    values = {item.name: found.values[item.name] for item in questions.fields if item.name in found.values}
    is_short = any(item.required and item.name not in values for item in questions.fields)
    analysis = CallAnalysis(
        call_summary=found.call_summary,
        call_successful=False if is_short else found.call_successful,
        user_sentiment=found.user_sentiment,
        in_voicemail=found.in_voicemail,
        custom_analysis_data=values,
    )
    return analysis if analyst == "model" else analysis.model_copy(update={"analyst": analyst})


def _filled(item: AnalysisField | PresetAnalysisItem, fill: Callable[[str], str]) -> dict[str, str]:
    texts = {"description": item.description, "conditional_prompt": item.conditional_prompt}
    return {name: fill(text) for name, text in texts.items() if text is not None}
