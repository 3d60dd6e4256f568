"""Shell completion: of commands by click, of tags from the store, of remotes from the settings."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from tiffin import models as api
from tiffin.cli._output import OneOf
from tiffin.exceptions import TiffinError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


def complete_name(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Return the models' names that begin so."""
    try:
        return [name for name in api.default_store().names() if name.startswith(incomplete)]
    except (TiffinError, OSError):
        return []  # a message would stand in the middle of the line that is being typed


def complete_tag(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Return names that begin so or, after a colon, the versions and aliases of the name."""
    name, colon, begin = incomplete.partition(":")
    if not colon:
        return complete_name(context, parameter, incomplete)
    try:
        candidates = ["latest", *api.aliases(name), *api.default_store().versions(name)]
    except (TiffinError, OSError):
        return []
    return [f"{name}:{candidate}" for candidate in candidates if candidate.startswith(begin)]


def complete_remote(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the names of remotes that begin so; folders where none does."""
    from click.shell_completion import CompletionItem

    found = [CompletionItem(name) for name in _remotes() if name.startswith(incomplete)]
    return found or [CompletionItem(incomplete, type="dir")]


def _remotes() -> list[str]:
    from tiffin.remotes import named_remotes

    try:
        return [remote.name for remote in named_remotes()]
    except (TiffinError, OSError):
        return []


def install() -> None:
    """Teach click's completion for bash that a tag with its colon is one word. Does nothing but when completing."""
    if os.environ.get("_TIFFIN_COMPLETE", "").startswith("bash"):
        from click.shell_completion import BashComplete, add_completion_class

        class BashCompleteTags(BashComplete):
            """bash takes "iris:prod" for three words, and replaces only the last of them."""

            def get_completion_args(self) -> tuple[list[str], str]:
                """Return the words before the one that is being typed, and that."""
                words = os.environ["COMP_WORDS"].split("\n")
                current = int(os.environ["COMP_CWORD"])
                joined: list[str] = []
                for word in words[: current + 1]:
                    if joined and (word == ":" or joined[-1].endswith(":")):
                        joined[-1] += word
                    else:
                        joined.append(word)
                self._typed = joined[-1] if joined else ""
                return joined[1:-1], self._typed

            def format_completion(self, item: CompletionItem) -> str:
                """Return one answer, without what bash already counts as words of its own."""
                prefix = self._typed.rpartition(":")[0]
                if prefix and item.value.startswith(prefix + ":"):
                    item.value = item.value[len(prefix) + 1 :]
                return super().format_completion(item)

        add_completion_class(BashCompleteTags, "bash")


@click.command()
@click.pass_context
@click.argument("shell", type=OneOf(["bash", "zsh", "fish"]))
def completion(context: click.Context, shell: str) -> None:
    """Print the completion script of a shell.

    \b
    bash:  echo 'eval "$(tiffin completion bash)"' >> ~/.bashrc
    zsh:   echo 'eval "$(tiffin completion zsh)"' >> ~/.zshrc
    fish:  tiffin completion fish > ~/.config/fish/completions/tiffin.fish
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(context.find_root().command, {}, "tiffin", "_TIFFIN_COMPLETE").source())
