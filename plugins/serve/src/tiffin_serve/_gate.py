"""Who may come in, and what is noted of it: the options of `tiffin serve` for that, whatever is served."""

from __future__ import annotations

import ssl
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import partial, wraps
from pathlib import Path
from typing import Any, TextIO, TypeVar

import click

from tiffin_serve._application import Application
from tiffin_serve._errors import ServeError
from tiffin_serve._layers import with_log, with_origins, with_tokens

F = TypeVar("F", bound=Callable[..., Any])
_FILE = click.Path(exists=True, dir_okay=False, resolve_path=True)
PAGES = ("/", "/docs")
"""Pages for people; they need no token, and ask for one."""


@dataclass(frozen=True)
class Gate:
    """What stands before the application.

    Attributes:
        token_file: has a token a line; `None` lets everybody in.
        cors: origins whose pages may call.
        access_log: gets a line for each answer; "-" is standard output.
        certificate: for TLS, in PEM, with all between it and its root; `None` for plain HTTP.
        key: the certificate's key, in PEM.
        trace: whether OpenTelemetry gets a span for each request.
    """

    token_file: str | None = None
    cors: Sequence[str] = ()
    access_log: str | None = None
    certificate: str | None = None
    key: str | None = None
    trace: bool = False

    @property
    def tls(self) -> tuple[Path, Path] | None:
        """The certificate and its key.

        Raises:
            ServeError: one is there without the other, or they do not belong together.
        """
        if self.certificate is None or self.key is None:
            if self.certificate != self.key:
                raise ServeError("TLS needs both a certificate and its key", fix="Give --certificate and --key")
            return None
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self.certificate, self.key, password="")
        except (OSError, ValueError) as error:
            raise ServeError(
                f"{self.certificate!r} and {self.key!r} are no certificate with its key", why=str(error)
            ) from error
        return Path(self.certificate), Path(self.key)

    def check(self) -> None:
        """Refuse what could not be closed in, before there is anything.

        Raises:
            ServeError: as `close_in` and `tls`.
        """
        self.close_in(Application())

    def close_in(self, application: Application) -> None:
        """Put before an application what is asked for.

        Raises:
            ServeError: a file cannot be read or written, or what traces need is not installed.
        """
        if self.token_file is not None:
            application.wrap(partial(with_tokens, tokens=read_tokens(Path(self.token_file)), pages=PAGES))
        if self.cors:
            application.wrap(partial(with_origins, origins=self.cors))
        if self.trace:
            from tiffin_serve._tracing import with_spans

            application.wrap(with_spans)
        if self.access_log is not None:
            application.wrap(partial(with_log, into=_opened(self.access_log)))


def read_tokens(path: Path) -> list[str]:
    """Return the tokens of a file, one a line.

    Raises:
        ServeError: there is none, or everybody may read them.
    """
    tokens = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    if not tokens:
        raise ServeError(f"There is no token in {str(path)!r}", why="Nobody could come in", fix="Write one a line")
    if path.stat().st_mode & 0o004:
        raise ServeError(
            f"Everybody may read {str(path)!r}", why="Its tokens are secrets", fix=f"Try: chmod o-r {path}"
        )
    return tokens


def _opened(path: str) -> TextIO:
    if path == "-":
        return sys.stdout
    try:
        return Path(path).open("a", encoding="utf-8")
    except OSError as error:
        raise ServeError(f"Cannot write to {path!r}: {error.strerror}", fix="Choose another --access-log") from error


def gate_options(command: F) -> F:
    """Give a command the options of a gate; it gets them as one argument, `gate`."""

    @click.option("--token-file", type=_FILE, help="Let only those in who bring a token of this file: one a line.")
    @click.option("--cors", multiple=True, metavar="ORIGIN", help="Let pages of this origin call; may be repeated.")
    @click.option("--access-log", metavar="FILE", help="Write a line of JSON for each answer; - is standard output.")
    @click.option("--certificate", type=_FILE, help="Serve by TLS with this certificate, in PEM.")
    @click.option("--key", type=_FILE, help="The certificate's key, in PEM.")
    @click.option("--trace", is_flag=True, help="Make a span of OpenTelemetry for each request.")
    @wraps(command)
    def with_gate(*args: Any, **options: Any) -> Any:
        gate = Gate(**{field.name: options.pop(field.name) for field in fields(Gate)})
        return command(*args, gate=gate, **options)

    return with_gate  # type: ignore[return-value]  # click calls it by keywords
