"""The demonstration: three shipped scenarios against a server of our own, printed for a person."""

from dataclasses import replace
from importlib import resources
from pathlib import Path

from rich.console import Console

from retold.caller.run import SAMPLE_RATE, Caller
from retold.caller.scenario import Play, Say, Scenario, Step, parse_scenario
from retold.caller.server import own_server
from retold.caller.show import LiveView, print_report
from retold.caller.voice import prepare
from retold.clock import SystemClock
from retold.settings import Settings

SCENARIOS = ("booking", "barge_in", "agent_hangs_up")

PROMPT_FOLDERS = (
    Path("/usr/share/asterisk/sounds/en_US_f_Allison"),
    Path("/usr/share/asterisk/sounds/en"),
)
"""Where the Debian package asterisk-core-sounds-en-wav keeps its recordings (CC-BY-SA 3.0, Digium / Allison Smith)."""

PROMPT_TEXTS = {"demo-thanks.wav": "Goodbye. Thank you for trying out the Asterisk Open Source PBX."}
"""What is said in the recordings that scenarios play; spoken by the synthetic voice where they are missing."""


def shipped_scenario(name: str, prompts: Path | None) -> Scenario:
    """A scenario of this package; recordings are taken from `prompts`, or spoken when that is None."""
    text = (resources.files("retold.caller") / "scenarios" / f"{name}.yaml").read_text(encoding="utf-8")
    scenario = parse_scenario(text, folder=prompts or Path())
    if prompts is not None:
        return scenario
    return replace(scenario, steps=tuple(_spoken(step) for step in scenario.steps))


def find_prompts(wanted: Path | None) -> Path | None:
    """The folder with all recordings that the scenarios play: the wanted one, else where Debian puts them."""
    folders = (wanted,) if wanted is not None else PROMPT_FOLDERS
    return next((folder for folder in folders if all((folder / name).is_file() for name in PROMPT_TEXTS)), None)


async def run_demo(console: Console, save_in: Path, wanted_prompts: Path | None) -> bool:
    """Place the calls; gives whether all went as expected. Raises CallNotPlaced."""
    prompts = find_prompts(wanted_prompts)
    if prompts is None:
        console.print("No recorded human voice here (Debian: apt install asterisk-core-sounds-en-wav), so the caller's")
        console.print("synthetic voice speaks in every call.")
    else:
        console.print(f"Recorded human voice: {prompts} (Allison Smith / Digium, CC-BY-SA 3.0).")
    settings, clock, all_met = Settings(), SystemClock(), True
    scenarios = [(name, shipped_scenario(name, prompts)) for name in SCENARIOS]
    console.print("Starting a server and preparing the caller's voice ...")
    async with own_server() as address:
        for name, scenario in scenarios:
            passages = await prepare(scenario.steps, settings, SAMPLE_RATE)
            with LiveView(console, is_kept=False) as view:
                caller = Caller(address, clock)
                watcher = view if console.is_terminal else None
                result = await caller.place(scenario, passages, save_in=save_in / name, watcher=watcher)
            print_report(console, scenario.title, result)
            all_met = all_met and not result.failures
    return all_met


def _spoken(step: Step) -> Step:
    return Say(PROMPT_TEXTS[step.path.name]) if isinstance(step, Play) else step
