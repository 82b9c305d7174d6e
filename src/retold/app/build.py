"""Builds one server from its settings: storage, speech, calls, API; and runs it until its caller leaves.

```
with the data folder locked:
    store, recorder -> recovery of what a crash left -> [join deadlines, models warming] -> API
```
"""

import contextlib
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Self

import anyio
import structlog
from anyio.abc import TaskGroup
from starlette.types import ASGIApp

from retold.api.application import make_application
from retold.api.context import ApiContext
from retold.app import fixtures
from retold.app.minds import Minds
from retold.app.models import LanguageModels, language_models
from retold.app.speech import Speech
from retold.calls.deps import Deps
from retold.calls.erase import Eraser
from retold.calls.finish import Archive
from retold.calls.live import LiveCalls
from retold.calls.recover import keep_watch, recover
from retold.calls.unstored import UnstoredCalls
from retold.clock import Clock
from retold.demo import app as demo_brain
from retold.domain.agent import DEMO_AGENT_ID, DEMO_BRAIN_URL, Agent
from retold.domain.analysis import ANALYSIS_JOB
from retold.domain.api_key import NewKey
from retold.domain.response_engine import CustomLlm
from retold.domain.webhook_events import OrgWebhook
from retold.engine.session import CallSession
from retold.errors import Conflict, StorageError
from retold.ids import DEFAULT_ORG_ID, hash_api_key, new_api_key
from retold.jobs.analyse import Analysis
from retold.jobs.runner import JobRunner
from retold.jobs.webhooks import WebhookParts, Webhooks
from retold.outbound import Outbound
from retold.providers.sandbox.process import CodeSandbox
from retold.responders.tools.context import ToolServices
from retold.settings import Settings, revealed
from retold.storage.disk import Disk
from retold.storage.lock import folder_lock
from retold.storage.store import Store
from retold.storage.tape import Recorder

_MB = 1024 * 1024
_HOUSEKEEPING_S = 60.0
_SUMMARIES_S = 30.0
_WEBHOOKS_GRACE_S = 1.0
"""What deliveries that are under way get to be answered, when the server ends."""
_HOUSEKEEPING_TIMEOUT_S = 1.0
"""Nothing waits longer for what is not urgent, least of all the end of the server."""

log = structlog.stdlib.get_logger()


class App:
    """One server, without its listener; what is declared here is there while it runs."""

    asgi: ASGIApp
    context: ApiContext
    live: LiveCalls
    store: Store
    models: LanguageModels

    def __init__(self, settings: Settings, clock: Clock, disk: Disk, *, has_fixtures: bool = False) -> None:
        self.settings = settings.model_copy(update={"voice_map": fixtures.VOICES}) if has_fixtures else settings
        self.has_fixtures = has_fixtures
        self.first_key: str | None = None
        """The API key that this start made, because there was none: to be shown once."""
        self.is_key_revoked = False
        """Whether RETOLD_API_KEY names a key that was revoked: it opens nothing."""
        self._clock = clock
        self._disk = disk
        self._demo_address: str | None = None
        self._own_url = ""
        self._outbound = Outbound(settings.allow_private_hosts, lambda: self._demo_address)

    def listens_at(self, url: str) -> None:
        """Say where the listener is: the demo agent reaches its brain there, and webhooks name it in addresses."""
        self._own_url = url
        self._demo_address = "ws" + url.removeprefix("http") + demo_brain.PATH

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[Self]:
        """Open storage, recover, and run the background tasks; on leaving, end all calls and close.

        A disk that fails for good ends all calls and sets `store.broken`; who runs the server then leaves.
        Raises StorageError when the data folder cannot be used or another server uses it.
        """
        async with AsyncExitStack() as stack:
            data_dir = self.settings.data_dir
            stack.enter_context(folder_lock(data_dir))
            self.store = await self._open_store()
            stack.push_async_callback(self.store.close)
            await self.store.owners.hold()
            recorder = Recorder(data_dir, self._disk)
            recorder.open()
            stack.push_async_callback(recorder.close)
            archive = self._archive()
            self.live = LiveCalls(archive, self._clock, concurrency_limit=self.settings.concurrency_limit)
            await recover(archive, self.live)
            await self._first_start()
            self.models = await stack.enter_async_context(language_models(self.settings.llm))
            tasks = await stack.enter_async_context(anyio.create_task_group())
            speech = Speech(self.settings)
            deps = Deps(
                settings=self.settings,
                clock=self._clock,
                store=self.store,
                recorder=recorder,
                archive=archive,
                live=self.live,
                voices=speech.voices,
                speech_ready=speech.ready,
                responder=self._minds(stack, speech.voices.spoken_languages).responder,
                session=CallSession,
            )
            self.context = ApiContext(deps, tasks, speech.state, self._outbound)
            self.asgi = self._application(self.context)
            webhooks = self._webhooks(archive)
            await self._start(tasks, archive, speech, webhooks)
            try:
                yield self
            finally:
                with anyio.CancelScope(shield=True):
                    await self.live.end_all()
                    await webhooks.close(self.live.left_s(_WEBHOOKS_GRACE_S))
                    await self._write_last_used()
                    archive.unstored.close()
                tasks.cancel_scope.cancel()

    async def _start(self, tasks: TaskGroup, archive: Archive, speech: Speech, webhooks: Webhooks) -> None:
        """Begin all that goes on in the background."""
        tasks.start_soon(self.live.run)
        tasks.start_soon(keep_watch, archive, self.live)
        tasks.start_soon(speech.warm_up)
        tasks.start_soon(self._end_when_broken)
        tasks.start_soon(Eraser(archive, self.live).keep_retention)
        tasks.start_soon(self._keep_house)
        tasks.start_soon(self._summarise)
        await tasks.start(webhooks.run)
        if not self.has_fixtures:
            # The calls that tests of clients expect stay as they are.
            tasks.start_soon(self._jobs(archive).run)

    def _archive(self) -> Archive:
        return Archive(
            self.store,
            self.settings.data_dir,
            self._disk,
            UnstoredCalls(self._clock),
            OrgWebhook(url=self.settings.webhooks.url),
            prices=self.settings.prices,
            is_analysing=self.settings.analysis.enabled,
        )

    def _webhooks(self, archive: Archive) -> Webhooks:
        return Webhooks(
            WebhookParts(
                store=self.store,
                clock=self._clock,
                http=self._outbound,
                whole=lambda call_id: archive.unstored.get(call_id) or self.live.told(call_id),
                base_url=lambda: (self.settings.public_url or self._own_url).rstrip("/"),
                kept_days=self.settings.webhooks.kept_days,
                dead_kept_days=self.settings.webhooks.dead_kept_days,
            )
        )

    def _jobs(self, archive: Archive) -> JobRunner:
        analysis = Analysis(archive, self.models, self._clock, serves=self.models.serves)
        return JobRunner(self.store.jobs, {ANALYSIS_JOB: analysis}, self._clock)

    async def _end_when_broken(self) -> None:
        await self.store.broken.wait()
        log.error(
            "storage_broken",
            data_dir=str(self.settings.data_dir),
            fix="check the disk, then start again: calls that were running are recovered",
        )
        await self.live.end_all("the disk of the data folder has failed")

    def _application(self, context: ApiContext) -> ASGIApp:
        brain = demo_brain.routes(lambda call_id: self.live.find(call_id) is not None)
        application = make_application(context, brain)
        return fixtures.Fixtures(application, self.store, self._clock) if self.has_fixtures else application

    async def _open_store(self) -> Store:
        if not self.has_fixtures:
            fixtures.refuse_claimed(self.settings.data_dir)
        return await Store.open(
            self.settings.data_dir,
            clock=self._clock,
            disk=self._disk,
            min_free_bytes=self.settings.min_free_disk_mb * _MB,
            database_url=revealed(self.settings.database_url),
            master_key=revealed(self.settings.master_key),
        )

    async def _keep_house(self) -> None:
        """What is not urgent, once a minute."""
        while True:
            await anyio.sleep(_HOUSEKEEPING_S)
            await self._write_last_used()
            self.context.deps.archive.unstored.sweep()
            try:
                await self.store.idempotency.sweep()
            except StorageError as error:
                log.warning("old_answers_not_swept", error=str(error))

    async def _summarise(self) -> None:
        """Sum up the calls of blocks that are over, for lists to read instead of them."""
        while True:
            await anyio.sleep(_SUMMARIES_S)
            try:
                await self.store.summaries.make_due()
            except StorageError as error:
                log.debug("calls_not_summarised", error=str(error))
            except Exception:  # the border of a job: lists do without summaries, so no fault of theirs ends the server
                log.exception("calls_not_summarised")

    async def _write_last_used(self) -> None:
        try:
            with anyio.move_on_after(_HOUSEKEEPING_TIMEOUT_S):
                await self.store.keys.write_last_used()
        except StorageError as error:
            log.warning("last_used_not_written", error=str(error))

    def _minds(self, stack: AsyncExitStack, spoken_languages: frozenset[str]) -> Minds:
        sandbox = CodeSandbox(needs_filter=self.settings.sandbox == "seccomp")
        stack.push_async_callback(sandbox.close)
        sms = self.settings.sms
        services = ToolServices(
            http=self._outbound,
            sandbox=sandbox,
            clock=self._clock,
            webhook_key=self.store.keys.webhook_secret,
            sms_url=sms.url,
            sms_api_key=revealed(sms.api_key),
            sms_from_number=sms.from_number,
            cal_base_url=self.settings.cal.base_url,
            connect_mcp=self._outbound.connect_mcp,
        )
        return Minds(
            self.settings, self.models, self._outbound, self._clock, services, spoken_languages=spoken_languages
        )

    async def _first_start(self) -> None:
        """Make what a server must have: an API key and the demo agent. Then know all keys."""
        if self.has_fixtures:
            await fixtures.claim(self.store)
        if self.settings.api_key:
            key = self.settings.api_key.get_secret_value()
            if await self.store.keys.find(hash_api_key(key)) is None:
                await self._add_key(key, "RETOLD_API_KEY")
                self.is_key_revoked = await self.store.keys.find(hash_api_key(key)) is None
        elif not await self.store.keys.list_all(DEFAULT_ORG_ID):
            self.first_key = new_api_key()
            await self._add_key(self.first_key, "first key")
        if await self.store.agents.find(DEFAULT_ORG_ID, DEMO_AGENT_ID) is None:
            await self.store.agents.save(DEFAULT_ORG_ID, demo_agent(self._clock.wall_ms()))
        await self.store.keys.remember_all()

    async def _add_key(self, key: str, name: str) -> None:
        with contextlib.suppress(Conflict):
            is_first = not any(known.is_webhook_key for known in await self.store.keys.list_all(DEFAULT_ORG_ID))
            await self.store.keys.create(DEFAULT_ORG_ID, key, NewKey(api_key_name=name, is_webhook_key=is_first))


def build_app(settings: Settings, clock: Clock, disk: Disk | None = None, *, has_fixtures: bool = False) -> App:
    """A server that is built and not yet running; with fixtures, one for tests only."""
    return App(settings, clock, disk or Disk(), has_fixtures=has_fixtures)


def demo_agent(now_ms: int) -> Agent:
    """Ada, the receptionist of a dental practice: the agent of a first call, labelled as a demo."""
    return Agent(
        agent_id=DEMO_AGENT_ID,
        last_modification_timestamp=now_ms,
        agent_name="Ada (demo)",
        response_engine=CustomLlm(llm_websocket_url=DEMO_BRAIN_URL),
        voice_id="default",
    )
