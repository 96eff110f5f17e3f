"""``interlock completion``: what the Tab key does."""

from __future__ import annotations

import click


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the script that makes SHELL complete commands and options.

    \b
    interlock completion bash > /etc/bash_completion.d/interlock      or in ~/.bashrc:  eval "$(interlock completion bash)"
    interlock completion zsh > ~/.zfunc/_interlock                    with fpath+=~/.zfunc before compinit
    interlock completion fish > ~/.config/fish/completions/interlock.fish
    """
    from click.shell_completion import get_completion_class

    from proxy.cli import main

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(main, {}, "interlock", "_INTERLOCK_COMPLETE").source())
