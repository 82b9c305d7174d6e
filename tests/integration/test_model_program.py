"""The stand-in model server as a program of its own, and what `retold doctor` says of it."""

import socket
import subprocess
import sys
from pathlib import Path

import anyio

from retold.app.models import LanguageModels
from retold.cli.language_model import check_language_model
from retold.domain.dialogue import ModelPart, UsagePart
from retold.settings import LanguageModelSettings
from support.model_server import answer, asks, client, text_of


def test_the_program_serves_a_script_and_doctor_sees_it(tmp_path: Path) -> None:
    file = tmp_path / "script.json"
    file.write_text('{"rules": [{"when": {"last": "bye"}, "steps": [{"say": "Goodbye."}]}]}')

    async def ask(settings: LanguageModelSettings) -> list[ModelPart]:
        async with client() as http:
            return await answer(LanguageModels(settings, http), asks("Bye!"))

    command = [sys.executable, "-m", "retold.demo.model_server", "--port", "0", "--script", str(file), "--api-key", "k"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
        try:
            assert program.stdout is not None
            name, _, base_url = program.stdout.readline().strip().partition("=")
            assert name == "RETOLD_LLM__BASE_URL"
            settings = LanguageModelSettings.model_validate({"base_url": base_url, "api_key": "k"})
            parts = anyio.run(ask, settings)
            assert text_of(parts) == "Goodbye."
            assert UsagePart(4, 1) in parts
            for key, state in (("k", "ok"), ("wrong", "broken")):
                told = LanguageModelSettings.model_validate({"base_url": base_url, "api_key": key})
                assert check_language_model(told).state == state
        finally:
            program.terminate()


def test_doctor_names_a_server_that_is_not_there() -> None:
    with socket.socket() as taken:
        # Bound and not listening: nobody else can answer there in the meantime.
        taken.bind(("127.0.0.1", 0))
        base_url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        finding = check_language_model(LanguageModelSettings(base_url=base_url))
    assert (finding.state, "cannot be reached" in finding.detail) == ("broken", True)
