"""How a command fails: one line with the cause, one with what mends it, no traceback."""

import typer


def fail(cause: str, fix: str | None = None, code: int = 1) -> typer.Exit:
    """Print why a command cannot go on; raise what this returns."""
    typer.echo(f"retold: {cause}", err=True)
    if fix:
        typer.echo(f"  fix: {fix}", err=True)
    return typer.Exit(code)
