"""What is to be served and how, as plain values that go to every process of the server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What the command line said.

    Attributes:
        targets: tags as they were asked for, or one service.
        tried: tags that are tried beside a target of the same name, with the part of its calls that they answer; 0 for one
            that gets copies.
        service: whether the target is a service.
        server: "granian" or "uvicorn".
        workers: processes that read requests.
        hosts: whether each model has a process of its own, to which these attach.
        spares: how many further copies of each model wait for another one to end.
        options: of each model's runner, as for `Model.to_runner`.
        seconds: in which a model has to answer; `None` for no limit.
        limits: what a request may take up, as for `Limits`.
        gate: what stands before all that is answered, as for `Gate`.
        oip_root: where the Open Inference Protocol is.
        openai: whether language models answer clients of OpenAI, too.
        grpc_port: where the protocol is by gRPC, in a process of its own; `None` for nowhere.
        check: whether a model's examples are replayed before it is served.
        follow: seconds between two looks at what aliases mean.
        grace: seconds after SIGTERM in which connections are still taken.
        drain: seconds that open requests have after that.
        reload: whether changed files of the service start it anew.
    """

    targets: Sequence[str]
    tried: Sequence[tuple[str, float]] = ()
    service: bool = False
    server: str = "granian"
    workers: int = 1
    hosts: bool = False
    spares: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)
    seconds: float | None = None
    limits: Mapping[str, Any] = field(default_factory=dict)
    gate: Mapping[str, Any] = field(default_factory=dict)
    oip_root: str = "/v2"
    openai: bool = False
    grpc_port: int | None = None
    check: bool = True
    follow: float = 1.0
    grace: float = 0.0
    drain: float = 30.0
    reload: bool = False

    @property
    def doors(self) -> int:
        """How many processes take calls: those of HTTP, and one of gRPC behind them."""
        return self.workers + (self.grpc_port is not None)

    def plain(self) -> dict[str, Any]:
        """Return it as plain values, to be made anew by `Plan(**values)`."""
        return asdict(self)
