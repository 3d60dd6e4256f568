"""Attached clients: one connection carries many calls, and whatever one client does, the others go on."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import os
import queue
import selectors
import signal
import socket
import stat
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inside.sharing import AttachedService, _client, _connection, _listen, _session, _socket_paths
from inside.wire import frame_parts
from process_support import descriptors, segments_of, start_python, wait_until_gone
from tiffin.calls import CallOptions, CallRequest, CallService, Outcome, Port
from tiffin.exceptions import (
    ForkedRunnerError,
    QueueFullError,
    RemoteError,
    RunnerClosedError,
    RunnerError,
    RunnerNotReadyError,
    SocketPathError,
    UndecidedError,
    UnsendableError,
)
from tiffin.runners import Runnable, Runner
from tiffin.sharing import Listener
from tiffin.wire import CALL, CALLS, HELLO, encode_call, encode_value

pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs Linux")


class Service:
    """Answers calls as a runner does, from a thread of its own; some only when the test lets it."""

    def __init__(self) -> None:
        self.calls: queue.Queue[tuple[TestPort, CallRequest] | None] = queue.Queue()
        self.ports: list[TestPort] = []
        self.held: queue.Queue[tuple[TestPort, CallRequest]] = queue.Queue()
        self.opened = threading.Semaphore(0)
        self.batches: list[int] = []
        threading.Thread(target=self.work, daemon=True).start()

    def describe(self) -> Mapping[str, Any]:
        return {"name": "test", "methods": {"add": {"kind": "call", "batchable": True}}, "default": "add"}

    def open_port(self, deliver: Callable[[Sequence[Outcome]], None]) -> TestPort:
        port = TestPort(self, deliver)
        self.ports.append(port)
        self.opened.release()
        return port

    def work(self) -> None:
        while (call := self.calls.get()) is not None:
            port, request = call
            del call
            if request.method == "hold":
                self.held.put((port, request))
            else:
                port.deliver([self.answer(request)])
            # Its arguments may lie in leased memory.
            del request

    def answer(self, request: CallRequest) -> Outcome:
        token, method, args, kwargs, options = request
        match method:
            case "add":
                explanation = {"rows": 1, "why": "idle"} if options.explain else None
                return Outcome(token, args[0] + kwargs.get("n", 1), explanation=explanation)
            case "options":
                return Outcome(token, (options.timeout, options.explain))
            case "full":
                return Outcome(
                    token, error=QueueFullError("The queue is full", fix="Wait", runner="test", retry_after=0.5)
                )
            case "undecided":
                error = UndecidedError("Undecided", method="add")
                error.__cause__ = ZeroDivisionError("by zero")
                return Outcome(token, error=error)
            case "raise":
                return Outcome(token, error=IndexError("far out"))
            case "object":
                return Outcome(token, {"x": object()})
        raise AssertionError(method)


class TestPort:
    __test__ = False

    def __init__(self, service: Service, deliver: Callable[[Sequence[Outcome]], None]) -> None:
        self.service, self.deliver = service, deliver
        self.cancelled: queue.Queue[Any] = queue.Queue()
        self.credits: queue.Queue[tuple[Any, int]] = queue.Queue()
        self.closed = threading.Event()

    def submit(self, requests: Sequence[CallRequest]) -> None:
        self.service.batches.append(len(requests))
        for request in requests:
            self.service.calls.put((self, request))

    def cancel(self, tokens: Sequence[Any]) -> None:
        for token in tokens:
            self.cancelled.put(token)

    def request_items(self, token: Any, count: int) -> None:
        self.credits.put((token, count))

    def close(self) -> None:
        self.closed.set()


def stranger_at(listener: Listener, *, greets: bool = True) -> socket.socket:
    """Return a connection that speaks the protocol by hand, after its greeting."""
    stranger = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    stranger.connect(listener.address.removeprefix("unix:"))
    stranger.settimeout(20)
    if greets:
        stranger.sendall(frame_parts(HELLO, 0, *encode_value({"protocol": _client.PROTOCOL}))[0])
    return stranger


class Caller:
    """A port whose outcomes can be waited for."""

    def __init__(self, service: AttachedService) -> None:
        self.outcomes: queue.Queue[Outcome] = queue.Queue()
        self.port = service.open_port(lambda outcomes: [self.outcomes.put(outcome) for outcome in outcomes])
        self.tokens = itertools.count()

    def submit(self, method: str, *args: Any, options: CallOptions = CallOptions(), **kwargs: Any) -> int:  # noqa: B008
        token = next(self.tokens)
        self.port.submit([CallRequest(token, method, args, kwargs, options)])
        return token

    def call(self, method: str, *args: Any, **kwargs: Any) -> Any:
        token = self.submit(method, *args, **kwargs)
        outcome = self.outcomes.get(timeout=20)
        assert outcome.token == token
        if outcome.error is not None:
            raise outcome.error
        return outcome.result


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()
    yield service
    service.calls.put(None)


@pytest.fixture
def listener(service: Service, tmp_path: Path) -> Iterator[Listener]:
    listener = Listener(service, tmp_path / "own" / "socket")
    yield listener
    listener.close()


@pytest.fixture
def attached(listener: Listener) -> Iterator[AttachedService]:
    attached = AttachedService(listener.address)
    yield attached
    attached.close()


def test_the_classes_have_what_the_interfaces_ask_for(attached):
    """A client's end looks like a runner."""
    assert isinstance(attached, CallService)
    assert isinstance(attached.open_port(print), Port)
    assert attached.describe() == {
        "name": "test",
        "methods": {"add": {"kind": "call", "batchable": True}},
        "default": "add",
    }


def test_calls_come_back_with_their_own_answers(attached):
    """Small and large, with keyword arguments."""
    caller = Caller(attached)
    assert caller.call("add", np.arange(3)).tolist() == [1, 2, 3]
    assert caller.call("add", 1, n=41) == 42
    large = np.arange(float(1 << 20))
    result = caller.call("add", large)
    assert (result == large + 1).all()


def test_calls_of_one_moment_arrive_in_one_batch(attached, service):
    """What is submitted together is submitted together over there, so that it can merge without waiting."""
    caller = Caller(attached)
    row = np.zeros((1, 4))
    caller.port.submit([CallRequest(token, "add", (row,), {}, CallOptions()) for token in range(100)])
    assert {caller.outcomes.get(timeout=20).token for _ in range(100)} == set(range(100))
    assert max(service.batches) == 100


def test_many_threads_and_ports_share_a_connection(attached, listener):
    """Sixteen threads at once, each gets its own answers; large arrays among them."""
    failures: list[BaseException] = []

    def work(number: int) -> None:
        caller = Caller(attached)
        try:
            for step in range(60):
                size = 1 << 17 if step % 20 == number else 4
                assert (caller.call("add", np.full(size, number * 1000 + step)) == number * 1000 + step + 1).all()
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failures
    assert listener.clients == 1


def test_errors_of_tiffin_keep_class_parts_and_facts(attached):
    """Refusals arrive as they were raised, with the numbers that a caller acts on."""
    caller = Caller(attached)
    with pytest.raises(QueueFullError) as caught:
        caller.call("full")
    assert (caught.value.what, caught.value.fix, caught.value.retry_after) == ("The queue is full", "Wait", 0.5)
    with pytest.raises(UndecidedError) as caught:
        caller.call("undecided")
    assert isinstance(caught.value.__cause__, RemoteError)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_other_errors_become_remote_errors_of_their_builtin_class(attached):
    """`except IndexError` works across processes."""
    with pytest.raises(IndexError, match="far out") as caught:
        Caller(attached).call("raise")
    assert isinstance(caught.value, RemoteError)


def test_what_cannot_be_sent_fails_its_own_call_only(attached):
    """In either direction, by name."""
    caller = Caller(attached)
    with pytest.raises(UnsendableError, match=r"args\[0\]"):
        caller.call("add", object())
    with pytest.raises(UnsendableError, match=r"result\['x'\]"):
        caller.call("object")
    assert caller.call("add", 1) == 2


def test_options_and_explanations_cross(attached):
    """The call's timeout reaches the runner, and the explanation comes back with the outcome."""
    caller = Caller(attached)
    assert caller.call("options", options=CallOptions(1.5, True)) == (1.5, True)
    assert caller.call("options") == (None, False)
    caller.submit("add", 1, options=CallOptions(explain=True))
    outcome = caller.outcomes.get(timeout=20)
    assert outcome.explanation == {"rows": 1, "why": "idle"}
    assert outcome.result == 2


def test_a_cancelled_call_is_cancelled_over_there_and_never_answered(attached, service):
    """No outcome follows a cancel, even if the answer is on its way."""
    caller = Caller(attached)
    token = caller.submit("hold")
    port, request = service.held.get(timeout=20)
    caller.port.cancel([token, "unknown"])
    assert port.cancelled.get(timeout=20) == request.token
    port.deliver([Outcome(request.token, "too late")])
    assert caller.call("add", 1) == 2
    assert caller.outcomes.empty()


def test_streams_deliver_what_is_asked_for(attached, service):
    """Credit crosses, items come with `more`, and the end without."""
    caller = Caller(attached)
    token = caller.submit("hold")
    port, request = service.held.get(timeout=20)
    caller.port.request_items(token, 3)
    assert port.credits.get(timeout=20) == (request.token, 3)
    port.deliver([Outcome(request.token, number, more=True) for number in range(3)])
    port.deliver([Outcome(request.token)])
    outcomes = [caller.outcomes.get(timeout=20) for _ in range(4)]
    assert [(o.token, o.result, o.more) for o in outcomes] == [
        (token, 0, True),
        (token, 1, True),
        (token, 2, True),
        (token, None, False),
    ]
    caller.port.request_items(token, 1)  # too late, and passed over


def test_closing_a_port_cancels_its_calls_only(attached, service):
    """Other ports of the same connection go on."""
    one, other = Caller(attached), Caller(attached)
    one.submit("hold")
    port, request = service.held.get(timeout=20)
    one.port.close()
    assert port.cancelled.get(timeout=20) == request.token
    assert other.call("add", 1) == 2


def test_a_closed_connection_cancels_its_calls_and_fails_them(attached, service):
    """The server closes the client's port; the client's open and later calls end with RunnerClosedError."""
    caller = Caller(attached)
    caller.submit("hold")
    port, _ = service.held.get(timeout=20)
    attached.close()
    assert port.closed.wait(20)
    assert isinstance(caller.outcomes.get(timeout=20).error, RunnerClosedError)
    with pytest.raises(RunnerClosedError, match="Attach again"):
        caller.call("add", 1)
    assert not attached.connected
    attached.close()


def test_a_listener_that_closes_fails_the_open_calls(attached, listener, service, tmp_path):
    """Clients hear of it, and the socket is gone."""
    caller = Caller(attached)
    caller.submit("hold")
    service.held.get(timeout=20)
    listener.close()
    assert isinstance(caller.outcomes.get(timeout=20).error, RunnerClosedError)
    assert not list((tmp_path / "own").iterdir())
    with pytest.raises(RunnerNotReadyError, match="No runner listens"):
        AttachedService(listener.address)
    listener.close()


ATTACH = """
import os, sys, threading
import numpy as np
from inside.sharing import AttachedService
from tiffin.calls import CallOptions, CallRequest

service = AttachedService(sys.argv[1])
outcomes, done = [], threading.Event()
def deliver(some):
    outcomes.extend(some)
    done.set()
port = service.open_port(deliver)
"""

CLIENT = (
    ATTACH
    + """
for token in range(4):
    done.clear()
    port.submit([CallRequest(token, "add", (np.zeros(1 << 18),), {}, CallOptions())])
    done.wait()
port.submit([CallRequest("last", "hold", (np.zeros(1 << 18),), {}, CallOptions())])
print("holding", flush=True)
sys.stdin.read()
"""
)


def test_a_client_killed_while_holding_leased_memory_leaves_nothing(listener, service, attached):
    """Its calls are cancelled, its leases and its own memory are freed, and other clients go on."""
    before, mapped = len(descriptors()), segments_of()
    client = start_python(CLIENT, listener.address)
    assert client.stdout is not None
    assert client.stdout.readline() == "holding\n"
    port, request = service.held.get(timeout=20)
    assert segments_of() > mapped
    gone = os.pidfd_open(client.pid)
    client.send_signal(signal.SIGKILL)
    assert wait_until_gone(gone)
    assert port.closed.wait(20)
    client.communicate()
    # What the service still holds of its arguments stays valid until it lets go.
    assert request.args[0].sum() == 0
    port.deliver([Outcome(request.token, 1)])
    del request
    assert Caller(attached).call("add", 1) == 2
    gc.collect()
    assert segments_of() == mapped
    assert len(descriptors()) <= before
    assert listener.clients == 1


@pytest.mark.parametrize(
    "garbage", [b"GET / HTTP/1.1\r\n\r\n", b"\0" * 100, frame_parts(CALL, 1, b"")[0][:10] + b"\xff" * 50]
)
@pytest.mark.parametrize("greets", [True, False])
def test_garbage_closes_its_own_connection_only(listener, service, attached, garbage, greets):
    """Who does not speak the protocol is cut off; the others notice nothing."""
    stranger = stranger_at(listener, greets=greets)
    stranger.sendall(garbage)
    with contextlib.suppress(ConnectionError):
        while stranger.recv(4096):
            pass
    stranger.close()
    assert Caller(attached).call("add", 1) == 2


def test_a_call_with_a_damaged_header_fails_alone(listener):
    """Frames whose bounds are sound but whose content is not are answered with an error."""
    stranger = stranger_at(listener)
    good = frame_parts(CALL, 2, *encode_call("add", (1,), {}))
    stranger.sendall(frame_parts(CALL, 1, b'["add",[{"x":["os.system","ls"]}],{},null]')[0] + good[0])
    heard = b""
    while b"FrameError" not in heard or not heard.endswith(b"2"):
        data = stranger.recv(1 << 16)
        assert data
        heard += data
    stranger.close()


def test_a_client_that_does_not_read_holds_up_nobody(listener, service, attached, monkeypatch):
    """Answers for it wait, up to a limit at which its calls are no longer read; others are served."""
    monkeypatch.setattr(_connection, "_FULL", 1 << 20)
    lazy = stranger_at(listener)
    calls = itertools.count(1)
    call = b""
    lazy.setblocking(False)
    for _ in range(2):  # the fixture's, and this one
        assert service.opened.acquire(timeout=20)
    assert Caller(attached).call("add", 1) == 2  # one thread serves all: what it began for the lazy one is done
    (client,) = [client for client in listener._clients if client._port is service.ports[-1]]
    sent = 0
    while client.connection._watching & selectors.EVENT_READ:
        try:
            call = call or b"".join(
                map(bytes, frame_parts(CALL, next(calls), *encode_call("add", (np.zeros(12_000),), {})))
            )
            count = lazy.send(call)
            sent, call = sent + count, call[count:]
        except BlockingIOError:
            assert Caller(attached).call("add", 1) == 2
        assert sent < 16 << 20
    assert client.connection._outbox_size < 4 << 20
    assert Caller(attached).call("add", 1) == 2
    lazy.close()
    assert service.ports[-1].closed.wait(20)
    assert Caller(attached).call("add", 1) == 2


def test_alike_calls_of_one_moment_travel_in_one_frame_each_with_its_own_answer(attached, service, monkeypatch):
    """Two frames for calls of two shapes; what is not like the others, and what fails, goes and comes alone."""
    sent = []
    monkeypatch.setattr(
        attached._session.connection,
        "send",
        lambda messages, agreement=None: sent.append([kind for kind, *_ in messages]),
    )
    caller = Caller(attached)
    rows = [np.full((1, 2), number) for number in range(5)]
    others = [np.full((3,), number, np.float32) for number in range(3)]
    values = [*rows, *others, np.array(1.0), 7, np.ones(1000)]
    caller.port.submit([CallRequest(number, "add", (value,), {}, CallOptions()) for number, value in enumerate(values)])
    assert sent == [[CALLS, CALLS, CALL, CALL, CALL]]
    monkeypatch.undo()
    caller.port.close()
    caller.port.submit(
        [CallRequest(number, "add", (value,), {}, CallOptions()) for number, value in enumerate(values)]
        + [CallRequest(99, "raise", (rows[0],), {}, CallOptions())]
    )
    answers = {outcome.token: outcome for outcome in (caller.outcomes.get(timeout=20) for _ in range(12))}
    for number, value in enumerate(values):
        result = answers[number].result
        assert np.array_equal(result, value + 1)
        assert np.shape(result) == np.shape(value)
    assert isinstance(answers[99].error, IndexError)


def test_a_guilty_row_of_a_frame_fails_alone_and_a_cancelled_one_leaves(tmp_path):
    """On a real runner: each caller has its own answer, error or explanation."""

    class Fussy(Runnable):
        @Runnable.method(batchable=True)
        def predict(self, x):
            if (x < 0).any():
                raise ValueError("below zero")
            return x * 2

    async def calls(runner):
        predict = runner.predict.options(explain=True)
        tasks = [asyncio.ensure_future(predict.async_run(np.array([[n]]))) for n in (1.0, 2.0, -3.0, 4.0, 5.0)]
        await asyncio.sleep(0)
        tasks[3].cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    with Runner(Fussy) as runner, Runner.attach(runner.listen(tmp_path / "own" / "socket")) as attached:
        one, two, bad, cancelled, five = asyncio.run(calls(attached))
        assert [answer.result.tolist() for answer in (one, two, five)] == [[[2.0]], [[4.0]], [[10.0]]]
        assert isinstance(bad, ValueError)
        assert isinstance(cancelled, asyncio.CancelledError)
        assert one.explanation is not two.explanation
        assert one.explanation.method == "predict"


@pytest.mark.parametrize(
    "brought",
    [
        (np.arange(2), np.ones((3, 1))),
        (np.array([1, 1]), np.ones((2, 1))),
        (np.array([1.0]), np.ones((1, 1))),
        (np.array([-1]), np.ones((1, 1))),
        (np.arange(2), np.ones(2)),
        (np.arange(0), np.ones((0, 1))),
        (np.arange(2000), np.ones((2000, 1))),
        (np.arange(1), [[1.0]]),
        (np.arange(1),),
    ],
    ids=str,
)
def test_a_frame_whose_calls_cannot_be_told_apart_closes_its_connection(listener, attached, brought):
    """What is wrong in it concerns all of its calls, and whose they are is not known."""
    stranger = stranger_at(listener)
    stranger.sendall(b"".join(map(bytes, frame_parts(CALLS, 1, *encode_call("add", brought, {})))))
    with contextlib.suppress(ConnectionError):
        while stranger.recv(1 << 16):
            pass
    stranger.close()
    assert Caller(attached).call("add", 1) == 2


FORKING = (
    ATTACH
    + """
pid = os.fork()
port.submit([CallRequest(1, "add", (1,), {}, CallOptions())])
done.wait()
if not pid:
    print(type(outcomes[0].error).__name__, flush=True)
    os._exit(0)
os.waitpid(pid, 0)
print(outcomes[0].result, flush=True)
service.close()
"""
)


def test_a_forked_child_is_refused_and_its_parent_goes_on(listener):
    """The child's copy of a connection refuses calls at once; the parent's works."""
    program = start_python(FORKING, listener.address)
    output, _ = program.communicate(timeout=30)
    assert output.split() == [ForkedRunnerError.__name__, "2"]


class TestPaths:
    """Where a socket may lie."""

    def test_the_folder_is_0700_and_the_socket_0600(self, listener, tmp_path):
        """Only the owner gets in."""
        assert stat.S_IMODE((tmp_path / "own").stat().st_mode) == 0o700
        assert stat.S_IMODE((tmp_path / "own" / "socket").stat().st_mode) == 0o600

    @pytest.mark.parametrize("mode", [0o755, 0o710, 0o777])
    def test_open_folders_are_refused(self, service, tmp_path, mode):
        """A folder that others can enter, with what to do about it."""
        (tmp_path / "open").mkdir()
        (tmp_path / "open").chmod(mode)
        with pytest.raises(SocketPathError, match=f"mode {mode:04o}.*0700"):
            Listener(service, tmp_path / "open" / "socket")

    def test_links_and_folders_below_open_ones_are_refused(self, service, tmp_path):
        """Others could put something else in their place."""
        (tmp_path / "real").mkdir(mode=0o700)
        (tmp_path / "link").symlink_to(tmp_path / "real")
        with pytest.raises(SocketPathError, match="symbolic link"):
            Listener(service, tmp_path / "link" / "socket")
        (tmp_path / "wide").mkdir()
        (tmp_path / "wide").chmod(0o777)
        with pytest.raises(SocketPathError, match="everybody"):
            Listener(service, tmp_path / "wide" / "own" / "socket")

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
    def test_folders_of_others_are_refused(self, service, tmp_path):
        """Even if nobody else can enter them."""
        (tmp_path / "theirs").mkdir(mode=0o700)
        os.chown(tmp_path / "theirs", 65534, 65534)
        with pytest.raises(SocketPathError, match="belongs to user 65534"):
            Listener(service, tmp_path / "theirs" / "socket")

    @pytest.mark.parametrize("address", ["unix:/tmp/" + "x" * 120, "unix:", ""])
    def test_paths_that_no_socket_can_have_are_refused(self, service, address):
        """With the limit, on both sides."""
        with pytest.raises(SocketPathError, match="bytes"):
            Listener(service, address)
        with pytest.raises(SocketPathError, match="bytes"):
            AttachedService(address)

    def test_what_is_not_a_socket_stays(self, service, tmp_path):
        """A file at the path is not removed."""
        (tmp_path / "own").mkdir(mode=0o700)
        (tmp_path / "own" / "socket").write_text("mine")
        with pytest.raises(SocketPathError, match="not a socket"):
            Listener(service, tmp_path / "own" / "socket")
        assert (tmp_path / "own" / "socket").read_text() == "mine"

    def test_a_live_socket_is_not_taken_over(self, service, listener, attached):
        """A second listener is refused, and the first one's clients notice nothing."""
        with pytest.raises(SocketPathError, match="Another process listens"):
            Listener(service, listener.address)
        assert Caller(attached).call("add", 1) == 2

    def test_a_dead_socket_is_replaced(self, service, tmp_path):
        """What a killed process left behind is no obstacle."""
        (tmp_path / "own").mkdir(mode=0o700)
        path = tmp_path / "own" / "socket"
        dead = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        dead.bind(str(path))
        dead.close()
        assert path.exists()
        listener = Listener(service, path)
        attached = AttachedService(listener.address)
        assert Caller(attached).call("add", 1) == 2
        attached.close()
        listener.close()

    def test_only_the_own_socket_is_removed(self, service, tmp_path):
        """If another listener has taken the path meanwhile, closing leaves its socket alone."""
        one = Listener(service, tmp_path / "own" / "socket")
        (tmp_path / "own" / "socket").unlink()
        other = Listener(service, tmp_path / "own" / "socket")
        one.close()
        attached = AttachedService(other.address)
        attached.close()
        other.close()

    def test_other_users_are_refused_on_both_sides(self, listener, monkeypatch):
        """The system says who is at the other end, and only the same user will do."""
        monkeypatch.setattr(_listen, "peer_user", lambda sock: os.geteuid() + 1)
        with pytest.raises(RunnerClosedError):
            AttachedService(listener.address)
        monkeypatch.undo()
        assert listener.clients == 0
        monkeypatch.setattr(_session, "peer_user", lambda sock: os.geteuid() + 1)
        with pytest.raises(SocketPathError, match="User"):
            AttachedService(listener.address)

    def test_the_system_names_the_peer(self):
        """Of a connected pair it is this user."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            assert _socket_paths.peer_user(ours) == os.geteuid()

    def test_nobody_there_is_an_error_with_the_address(self, tmp_path):
        """And what to do."""
        with pytest.raises(RunnerNotReadyError, match="Start the one that calls"):
            AttachedService(f"unix:{tmp_path / 'nobody'}")

    @pytest.mark.parametrize("version", [1, 99, "3", None])
    def test_a_runner_of_another_version_is_refused(self, tmp_path, version):
        """The client says so, with both versions; and so does the client of any other version that reads our greeting."""
        path = tmp_path / "socket"
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
            server.bind(str(path))
            server.listen()
            hello = {"protocol": version, "process": 1, "service": {"name": "x", "methods": {}, "default": None}}
            frame = frame_parts(HELLO, 0, *encode_value(hello))[0]

            def answer():
                with server.accept()[0] as client:
                    client.sendall(frame)

            answering = threading.Thread(target=answer)
            answering.start()
            with pytest.raises(RunnerError, match=f"another protocol: version {version}.*version {_client.PROTOCOL}"):
                AttachedService(path)
            answering.join()

    @pytest.mark.parametrize("version", [1, 2, "3", None])
    def test_a_client_of_another_version_is_turned_away(self, listener, service, attached, version, caplog):
        """It has read our version by then; here the log says which one it speaks."""
        stranger = stranger_at(listener, greets=False)
        stranger.sendall(frame_parts(HELLO, 0, *encode_value({"protocol": version}))[0])
        while stranger.recv(4096):
            pass
        stranger.close()
        assert Caller(attached).call("add", 1) == 2
        assert "speaks another protocol" in caplog.text
