"""The command line. Modules here import what a command needs when it runs: `retold --help` stays under 200 ms."""

import typer

from retold.cli import audit, backup, call, doctor, keys, privacy, secrets, serve, webhooks

app = typer.Typer(
    name="retold",
    help="Self-hosted voice-agent calls whose record is true.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command("serve")(serve.serve)
app.command("call")(call.call)
app.command("demo")(call.demo)
app.command("doctor")(doctor.doctor)
app.command("backup")(backup.backup)
app.command("restore")(backup.restore)
app.add_typer(keys.app, name="keys")
app.add_typer(secrets.app, name="secrets")
app.add_typer(privacy.app, name="privacy")
app.add_typer(audit.app, name="audit")
app.add_typer(webhooks.app, name="webhooks")


def main() -> None:
    """Run the command line."""
    app()
