"""All settings of a server, frozen.

Read once from the environment (prefix `RETOLD_`, nested with `__`) and passed down.
"""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, FilePath, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

MIN_KEY_CHARS = 24
"""An API key of fewer characters can be guessed."""
MAX_KEY_CHARS = 512
Wire = Literal["openai", "anthropic"]
_MASTER_KEY = re.compile(r"[0-9a-fA-F]{64}(,[0-9a-fA-F]{64})*")


def _is_web_address(url: str) -> str:
    if not re.match(r"https?://[^/]", url):
        raise ValueError("a server must be named as http://... or https://...")
    return url


BaseUrl = Annotated[str, AfterValidator(_is_web_address)]


class ScriptedSettings(BaseModel):
    """Delays and texts of the scripted speech providers."""

    model_config = ConfigDict(frozen=True)

    stt_ms: int = Field(default=200, ge=0, description="final words come this long after speech ends")
    tts_ms: int = Field(default=100, ge=0, description="first audio comes this long after the text")
    stt_texts: str = Field(
        default="hello there",
        description="what the caller says, utterance by utterance, separated by `|`; the last one repeats",
    )


class LocalSpeechSettings(BaseModel):
    """The embedded speech stack."""

    model_config = ConfigDict(frozen=True)

    whisper_dir: Path | None = Field(
        default=None, description="folder of any CTranslate2 Whisper model; default: the packaged tiny.en"
    )
    stt_threads: int = Field(default=2, ge=1, le=64, description="recognition passes at a time, over all calls")
    tts_threads: int = Field(default=1, ge=1, le=64, description="synthesis runs at a time, over all calls")
    partial_interval_ms: int = Field(
        default=400, ge=100, description="how often an utterance in progress is decoded again"
    )


class MappedModel(BaseModel):
    """Where one model of the API is served, where that differs from RETOLD_LLM__*."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    model: str | None = None
    base_url: BaseUrl | None = None
    api_key: SecretStr | None = None
    wire: Wire | None = None
    headers: dict[str, SecretStr] | None = None
    extra: dict[str, Any] | None = None


class LanguageModelSettings(BaseModel):
    """The language models behind Retell LLMs and conversation flows."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    provider: Literal["http", "scripted"] = Field(
        default="http", description="language models: of a server, or scripted"
    )
    base_url: BaseUrl | None = Field(
        default=None,
        description="the models' server, such as http://127.0.0.1:11434/v1 (Ollama) or https://api.openai.com/v1",
    )
    api_key: SecretStr | None = Field(default=None, description="the key of that server, if it wants one")
    wire: Wire = Field(default="openai", description="what it speaks: chat completions, or Anthropic's messages")
    model: str | None = Field(
        default=None,
        description="the model that answers for every name an agent may give; default: the name is sent as it is",
    )
    headers: dict[str, SecretStr] = Field(
        default={}, description='headers added to each request, as JSON: `{"api-key": "..."}` for Azure'
    )
    extra: dict[str, Any] = Field(
        default={},
        description='fields added to each request, as JSON; null takes one away: `{"temperature": null}`',
    )
    models: dict[str, MappedModel] = Field(
        default={},
        description="what differs for a model of the API, or for `name:fast` and `name:ultrafast`, as JSON: "
        '`{"gpt-4.1": {"model": "qwen3:8b"}}`, with base_url, api_key, wire, headers and extra',
    )
    first_byte_ms: int = Field(default=15_000, ge=100, description="a model that has said nothing by then has failed")
    between_ms: int = Field(default=10_000, ge=100, description="the longest silence in the middle of its answer")
    script: FilePath | None = Field(
        default=None, description="the script of the provider `scripted`, as JSON; default: it repeats what it hears"
    )

    @property
    def is_configured(self) -> bool:
        """Whether there is any model at all."""
        named = (self.base_url, *(mapped.base_url for mapped in self.models.values()))
        return self.provider == "scripted" or any(url is not None for url in named)


class WebhookSettings(BaseModel):
    """What is told of calls."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    url: str | None = Field(
        default=None,
        max_length=2_048,
        description="who is told of calls when neither their agent nor its organisation has a webhook",
    )
    kept_days: float = Field(
        default=7, gt=0, le=3_650, description="how long delivered events and their attempts can be looked at"
    )
    dead_kept_days: float = Field(
        default=30, gt=0, le=3_650, description="how long events whose attempts all failed can be sent again"
    )


class Price(BaseModel):
    """What one product of a call costs, in cents."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    per_second: float = Field(default=0.0, ge=0)
    """Of the call."""
    per_token: float = Field(default=0.0, ge=0)
    """Read or written by the language model of the agent."""
    per_request: float = Field(default=0.0, ge=0)
    """To that language model."""
    call_type: Literal["web_call", "phone_call"] | None = None
    """Of which calls; None for all."""


class AnalysisSettings(BaseModel):
    """What is found out about calls after their end."""

    model_config = ConfigDict(frozen=True)

    enabled: bool = Field(
        default=True,
        description="whether each call is analysed after its end; without, only `rerun-call-analysis` has it done",
    )


class SmsSettings(BaseModel):
    """Who sends the text messages of agents."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    url: BaseUrl | None = Field(
        default=None, description="where text messages are handed in, as JSON: from, to, text and call_id"
    )
    api_key: SecretStr | None = Field(default=None, description="sent there as a bearer token")
    from_number: str | None = Field(
        default=None,
        description="whose number they come from when the call has none; default: the provider decides",
    )


class CalSettings(BaseModel):
    """The calendars of agents."""

    model_config = ConfigDict(frozen=True)

    base_url: BaseUrl = Field(
        default="https://api.cal.com", description="where Cal.com's API is; one of your own, for instance"
    )


class Settings(BaseSettings):
    """One server's settings; every field is also the environment variable `RETOLD_<FIELD>`."""

    model_config = SettingsConfigDict(
        env_prefix="RETOLD_", env_nested_delimiter="__", frozen=True, extra="ignore", hide_input_in_errors=True
    )

    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: int = Field(default=8080, ge=0, le=65535, description="port to listen on; 0 takes a free one")
    data_dir: Path = Field(default=Path("data"), description="folder that holds everything the server keeps")
    database_url: SecretStr | None = Field(
        default=None,
        description="a PostgreSQL database, `postgresql://user:password@host/name`; default: SQLite in the data folder",
    )
    public_url: str | None = Field(
        default=None, description="address under which clients reach this server; default: from the request"
    )
    api_key: SecretStr | None = Field(
        default=None,
        description="the first API key, of 24 characters or more; default: made on the first start and shown once",
    )
    master_key: SecretStr | None = Field(
        default=None,
        description="64 hex digits that secrets are encrypted with; default: the data folder's file `master.key`."
        " Former keys may follow, each after a comma, until `retold secrets rotate` has run",
    )
    rate_limit_per_s: float = Field(
        default=5_000,
        gt=0,
        description="requests a second with one API key, and as many at once; beyond it they are answered 429",
    )
    failed_keys_per_minute: float = Field(
        default=10,
        gt=0,
        description="wrong API keys from one address, at once and then a minute; beyond it they are answered 429",
    )

    vad: Literal["local", "energy"] = Field(
        default="local", description="voice activity detection: embedded Silero, or by energy"
    )
    stt: Literal["local", "scripted"] = Field(
        default="local", description="speech to text: embedded Whisper, or scripted"
    )
    tts: Literal["local", "scripted"] = Field(
        default="local", description="text to speech: embedded hibari, or scripted tones"
    )
    voice_map: dict[str, str] = Field(
        default={},
        description='which of our voices speaks for a vendor\'s voice id, as JSON: `{"11labs-Adrian": "low"}`',
    )
    sandbox: Literal["seccomp", "process"] = Field(
        default="seccomp",
        description="what code tools are shut in by: a process and a filter of its system calls (Linux), or only a"
        " process with limits, for servers whose agents you write yourself",
    )
    scripted: ScriptedSettings = ScriptedSettings()
    llm: LanguageModelSettings = LanguageModelSettings()
    local: LocalSpeechSettings = LocalSpeechSettings()
    analysis: AnalysisSettings = AnalysisSettings()
    prices: dict[str, Price] = Field(
        default={},
        description="what calls cost, in cents, as JSON by product: "
        '`{"my_tts": {"per_second": 0.01}}`, also per_token, per_request and call_type; default: calls show no cost',
    )
    sms: SmsSettings = SmsSettings()
    cal: CalSettings = CalSettings()
    webhooks: WebhookSettings = WebhookSettings()

    allow_private_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="hosts or host:port on private addresses that agents may name, comma separated; `*` allows all",
    )
    web_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="origins of web pages that may ask, such as https://shop.example, comma separated; `*` allows all",
    )
    connection_limit: int = Field(
        default=1_000,
        ge=1,
        description="connections at a time; beyond it idle ones are closed, then requests answered 503",
    )
    concurrency_limit: int = Field(default=20, ge=1, description="calls in progress at a time")
    join_timeout_ms: int = Field(
        default=30_000, ge=100, description="a web call not joined by then ends error_user_not_joined"
    )
    registered_timeout_ms: int = Field(
        default=300_000, ge=100, description="a registered phone call not dialled by then ends registered_call_timeout"
    )
    no_audio_timeout_ms: int = Field(
        default=30_000,
        ge=100,
        description="a connected call ends error_no_audio_received so long after the last caller audio",
    )
    rejoin_timeout_ms: int = Field(default=10_000, ge=0, description="a cut audio websocket may come back this long")
    playout_lead_ms: int = Field(
        default=100,
        ge=20,
        le=290,
        description="how far agent audio is sent ahead of real time; more for a client that sends larger blocks",
    )
    llm_open_timeout_ms: int = Field(default=7_000, ge=10, description="one attempt to open an LLM websocket")
    llm_retry_gap_ms: int = Field(default=3_000, ge=0, description="pause between attempts to open an LLM websocket")
    llm_keepalive_timeout_ms: int = Field(
        default=5_000, ge=10, description="an LLM websocket without ping_pong for this long is reopened"
    )
    llm_ping_interval_ms: int = Field(default=2_000, ge=10, description="how often ping_pong is sent")
    min_free_disk_mb: int = Field(default=64, ge=0, description="with less free disk, new calls are refused")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="the least important log lines that are written"
    )
    log_format: Literal["pretty", "json"] = Field(
        default="pretty", description="log lines for people, or one JSON object each"
    )

    @field_validator("allow_private_hosts", "web_origins", mode="before")
    @classmethod
    def _split_at_commas(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("database_url")
    @classmethod
    def _is_of_postgresql(cls, value: SecretStr | None) -> SecretStr | None:
        if value and not value.get_secret_value().startswith("postgresql://"):
            raise ValueError("a database must be postgresql://user:password@host/name; without it SQLite is used")
        return value

    @field_validator("master_key")
    @classmethod
    def _is_a_whole_key(cls, value: SecretStr | None) -> SecretStr | None:
        if value and not _MASTER_KEY.fullmatch(value.get_secret_value()):
            raise ValueError("a master key must have 64 hex digits; `openssl rand -hex 32` makes one")
        return value

    @field_validator("api_key")
    @classmethod
    def _is_hard_to_guess(cls, value: SecretStr | None) -> SecretStr | None:
        size = len(value.get_secret_value()) if value else 0
        if value and not MIN_KEY_CHARS <= size <= MAX_KEY_CHARS:
            raise ValueError(f"an API key must have {MIN_KEY_CHARS} to {MAX_KEY_CHARS} characters, this has {size}")
        return value


def revealed(secret: SecretStr | None) -> str | None:
    """The text of a secret, for whoever uses it; None for an empty one, too."""
    return secret.get_secret_value() if secret else None
