"""Analyses a call that is over: by the agent's model, else by rules; written and announced in one transaction."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, Final

import anyio
import orjson
from structlog.stdlib import get_logger

from retold.calls.consequences import audience_of
from retold.calls.finish import Archive
from retold.clock import Clock
from retold.crash import crash_point
from retold.domain import analysis_prompt
from retold.domain.agent import Agent
from retold.domain.analysis import Analyst, Findings, Questions, concluded, has_connected, not_connected
from retold.domain.analysis_rules import analysed
from retold.domain.call import Call, CallRecord
from retold.domain.call_parts import CallAnalysis
from retold.domain.call_request import with_override
from retold.domain.conversation import Conversation
from retold.domain.dialogue import Message, ModelRequest, TextPart, UsagePart
from retold.domain.sentiment import Score, lexicon
from retold.domain.variables import Variables
from retold.domain.webhook_events import Moment
from retold.errors import ModelFailed
from retold.ids import OrgId
from retold.ports import LanguageModel
from retold.storage.jobs import Job
from retold.storage.store import with_call

DEFAULT_MODEL: Final = "gpt-5.6-terra"
"""What an agent without `post_call_analysis_model` is analysed by, as at Retell; the server's settings map it."""
MODEL_ATTEMPTS: Final = 3
"""After so many failures the rules have the word."""
MODEL_DEADLINE_S: Final = 60.0
"""For one answer of the model."""


@dataclass(slots=True)
class _Usage:
    """The tokens that an analysis cost, as the model's server counted them."""

    input_tokens: int = 0
    output_tokens: int = 0


class Analysis:
    """The handler of jobs of the kind `analysis` (jobs/runner.py)."""

    def __init__(self, archive: Archive, models: LanguageModel, clock: Clock, *, serves: Callable[[str], bool]) -> None:
        self._archive = archive
        self._models = models
        self._clock = clock
        self._serves = serves
        self._score: Score | None = None

    async def __call__(self, job: Job) -> None:
        """Analyse the call of this job.

        Raises ModelFailed while it is worth while to ask the model again, ClaimLost and StorageError.
        """
        store = self._archive.store
        record = await store.find_call(job.org_id, job.call_id)
        if record is None or not record.call.call_status.is_terminal:
            await store.jobs.done(job.job_id)
            return
        whole = self._whole(record)
        found = None if whole is None else await self._analysis(whole, job)
        crash_point("analysis_made")
        await self._write(job, record, whole, found)

    def _whole(self, record: CallRecord) -> CallRecord | None:
        """The call with what was said on it; None when that may not be stored, and is in no memory any more."""
        if record.call.stores_sensitive_data or not has_connected(record.call):
            return record
        return self._archive.unstored.get(record.call.call_id)

    async def _analysis(self, record: CallRecord, job: Job) -> CallAnalysis:
        agent = await self._agent(record)
        questions = Questions.of(agent.post_call_analysis_data if agent else None, _variables(record).fill)
        started_ms, usage = self._clock.monotonic_ms(), _Usage()
        model = (agent and agent.post_call_analysis_model) or DEFAULT_MODEL
        findings, analyst = await self._found(record.call, questions, model, usage, job.attempts)
        if findings is None:
            findings = await self._by_rule(record.call, questions, _language(agent))
        get_logger().info(
            "call_analysed",
            call_id=job.call_id,
            analyst=analyst,
            model=model if analyst == "model" else None,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            took_ms=round(self._clock.monotonic_ms() - started_ms),
        )
        return concluded(questions, findings, analyst)

    async def _found(
        self, call: Call, questions: Questions, model: str, usage: _Usage, attempts: int
    ) -> tuple[Findings | None, Analyst]:
        """What the model found; None when the rules have to do."""
        if not has_connected(call):
            return not_connected(call), "model"
        if not self._serves(model):
            return None, "built_in"
        try:
            return await self._by_model(call, questions, model, usage), "model"
        except ModelFailed as failure:
            if failure.is_retryable and attempts < MODEL_ATTEMPTS:
                raise
            get_logger().warning("analysis_without_model", call_id=call.call_id, model=model, error=str(failure))
            return None, "built_in"

    async def _by_model(self, call: Call, questions: Questions, model: str, usage: _Usage) -> Findings:
        """Ask the model, and once more when its answer is not what it was asked for. Raises ModelFailed."""
        asked = analysis_prompt.messages(questions, call, _items(call))
        answer = await self._ask(questions, model, asked, usage)
        first = analysis_prompt.read(answer, questions)
        if first.fault is None and first.findings is not None:
            return first.findings
        again = analysis_prompt.repaired(asked, answer, first.fault or "")
        second = analysis_prompt.read(await self._ask(questions, model, again, usage), questions)
        findings = second.findings or first.findings
        if findings is None:
            raise ModelFailed(f"{model} does not answer in JSON: {second.fault}", is_retryable=False)
        if second.fault is not None:
            get_logger().warning("analysis_incomplete", call_id=call.call_id, model=model, fault=second.fault)
        return findings

    async def _ask(self, questions: Questions, model: str, messages: Sequence[Message], usage: _Usage) -> str:
        schema = analysis_prompt.answer_schema(questions)
        request = ModelRequest(model=model, messages=messages, temperature=0.0, schema=schema)
        text = ""
        try:
            with anyio.fail_after(MODEL_DEADLINE_S):
                async with aclosing(self._models.stream(request)) as parts:
                    async for part in parts:
                        match part:
                            case TextPart():
                                text += part.text
                            case UsagePart():
                                usage.input_tokens += part.input_tokens
                                usage.output_tokens += part.output_tokens
                            case _:
                                pass
        except TimeoutError as error:
            message = f"{model} was not done within {MODEL_DEADLINE_S:g} s"
            raise ModelFailed(message, is_retryable=True) from error
        return text

    async def _by_rule(self, call: Call, questions: Questions, language: str) -> Findings:
        # The lexicon takes 20 ms to load, and a long call some to read.
        self._score = self._score or await asyncio.to_thread(lexicon)
        return await asyncio.to_thread(analysed, questions, call, Conversation.of(_items(call)), language, self._score)

    async def _write(self, job: Job, record: CallRecord, whole: CallRecord | None, found: CallAnalysis | None) -> None:
        """End the job with what was found; what may not be stored goes to memory, where webhooks find it."""

        def changed(current: CallRecord) -> CallRecord:
            return with_call(current, call_analysis=found or current.call.call_analysis).permitted()

        store, at_ms = self._archive.store, self._clock.wall_ms()
        if whole is not None and not record.call.stores_sensitive_data:
            unstored, analysed_call = self._archive.unstored, with_call(whole, call_analysis=found)
            if has_connected(whole.call):
                # What is not kept any more stays forgotten.
                await asyncio.to_thread(unstored.change, record.call.call_id, lambda _: analysed_call)
            else:
                unstored.put(analysed_call)
        audience = await audience_of(store, record, self._archive.fallback_webhook)
        await store.change_call(
            job.org_id,
            job.call_id,
            changed,
            follows=lambda after: replace(audience.follows(Moment.ANALYZED, after, at_ms), ended_job=job.job_id),
        )

    async def _agent(self, record: CallRecord) -> Agent | None:
        """The agent as the call had it; None when it is gone, and nothing of its own is asked."""
        call = record.call
        agent = await self._archive.store.agents.find(OrgId(record.org_id), call.agent_id, call.agent_version)
        return None if agent is None else with_override(agent, record.agent_override_json)


def _items(call: Call) -> Sequence[Mapping[str, Any]]:
    return call.transcript_with_tool_calls or []


def _language(agent: Agent | None) -> str:
    """The agent's first language; nothing is known of an agent that is gone."""
    if agent is None:
        return ""
    return agent.language if isinstance(agent.language, str) else agent.language[0]


def _variables(record: CallRecord) -> Variables:
    return Variables(
        of_request=record.call.retell_llm_dynamic_variables or {},
        collected=record.call.collected_dynamic_variables or {},
        overrides=orjson.loads(record.variable_overrides_json or "{}"),
    )
