"""Which model a Retell LLM runs on: today's `model_config` and the deprecated fields, kept saying the same."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from retold.domain.agent_options import Fraction, RequestModel, ShortText
from retold.errors import InvalidRequest

Tier = Literal["standard", "fast", "ultrafast"]


class PrimaryModel(RequestModel):
    """A model by name; any name is taken, for which models there are is up to the server's own provider."""

    model: ShortText
    tier: Tier | None = None


class BackupModel(PrimaryModel):
    """The model that takes over when the first one is slow."""

    kick_in_timeout_ms: Annotated[int, Field(ge=300, le=60_000)] = 1_500


class ModelSettings(RequestModel):
    """`model_config`: text to text with a backup (cascading), or speech to speech (s2s)."""

    type: Literal["cascading", "s2s"] = "cascading"
    primary: PrimaryModel | None = None
    backup: BackupModel | None = None
    temperature: Fraction = 0.0


class DeprecatedBackup(RequestModel):
    """`backup_model`: the backup in its deprecated spelling."""

    type: Literal["cascading"]
    model: ShortText
    backup_kick_in_timeout: Annotated[int, Field(ge=300, le=60_000)] | None = None
    high_priority: bool | None = None
    ultrafast: bool | None = None


DEPRECATED = frozenset(
    {"model", "s2s_model", "model_temperature", "model_high_priority", "model_ultrafast", "backup_model"}
)


def merged_models(stored: ModelSettings, sent: Mapping[str, Any]) -> ModelSettings:
    """The settings after a request; what it names in both spellings counts as `model_config` says.

    `sent` is JSON-ready. A client that sends a fetched LLM back after changing a deprecated field means that field.
    Raises InvalidRequest.
    """
    before = stored.model_dump(mode="json")
    if "model_config" in sent and before != before | (sent["model_config"] or {}):
        return _patched(before, sent["model_config"])
    shown = deprecated_fields(stored)
    changed = {name: sent[name] for name in DEPRECATED & sent.keys() if sent[name] != shown.get(name)}
    return _patched(before, _patch_of_deprecated(before, changed))


def deprecated_fields(settings: ModelSettings) -> dict[str, Any]:
    """The settings in the deprecated spelling, JSON-ready; what they do not say is left out."""
    fields: dict[str, Any] = {"model_temperature": settings.temperature}
    if settings.primary:
        fields["model" if settings.type == "cascading" else "s2s_model"] = settings.primary.model
        fields["model_high_priority"] = settings.primary.tier == "fast"
        fields["model_ultrafast"] = settings.primary.tier == "ultrafast"
    if settings.backup:
        fields["backup_model"] = {
            "type": "cascading",
            "model": settings.backup.model,
            "backup_kick_in_timeout": settings.backup.kick_in_timeout_ms,
            "high_priority": settings.backup.tier == "fast",
            "ultrafast": settings.backup.tier == "ultrafast",
        }
    return fields


def _patched(before: dict[str, Any], patch: Mapping[str, Any]) -> ModelSettings:
    """Each key replaces the one before; another type needs a model of its kind and has no backup yet."""
    after = before | dict(patch)
    if after["type"] != before["type"]:
        if not patch.get("primary"):
            raise InvalidRequest(
                f"model_config.primary is required when model_config.type changes to {after['type']}",
                field="model_config.primary",
                fix='send {"model": "..."}',
            )
        after["backup"] = patch.get("backup")
    if after["type"] == "s2s" and after["backup"]:
        raise InvalidRequest(
            "model_config.backup is only for the type cascading", field="model_config.backup", fix="leave it out"
        )
    return ModelSettings.model_validate(after)


def _patch_of_deprecated(before: Mapping[str, Any], changed: Mapping[str, Any]) -> dict[str, Any]:
    if changed.get("model") and changed.get("s2s_model"):
        raise InvalidRequest(
            "model and s2s_model exclude each other", field="s2s_model", fix="send one of them, the other as null"
        )
    patch: dict[str, Any] = {}
    for name, kind in (("model", "cascading"), ("s2s_model", "s2s")):
        if changed.get(name):
            patch = {"type": kind, "primary": {"model": changed[name]}}
        elif name in changed and before["type"] == kind:
            patch.setdefault("primary", None)
    primary = patch.get("primary", before["primary"])
    if primary and not {"model_high_priority", "model_ultrafast"}.isdisjoint(changed):
        patch["primary"] = primary | {"tier": _tier(changed, "model_high_priority", "model_ultrafast")}
    if "model_temperature" in changed:
        patch["temperature"] = changed["model_temperature"] or 0.0
    if "backup_model" in changed:
        patch["backup"] = _backup(changed["backup_model"])
    return patch


def _backup(sent: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if sent is None:
        return None
    backup = {"model": sent["model"], "tier": _tier(sent, "high_priority", "ultrafast")}
    timeout_ms = sent.get("backup_kick_in_timeout")
    return backup if timeout_ms is None else backup | {"kick_in_timeout_ms": timeout_ms}


def _tier(sent: Mapping[str, Any], fast: str, ultrafast: str) -> Tier:
    if sent.get(ultrafast):
        return "ultrafast"
    return "fast" if sent.get(fast) else "standard"
