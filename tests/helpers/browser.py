"""A headless Chromium, driven by its own protocol through two pipes. For tests of pages."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PATIENCE = 60.0
"""Seconds in which what a test waits for has to be there."""


class Browser:
    """One page of a browser.

    Attributes:
        requested: addresses of all that the page asked for.
        complaints: what the page wrote to its console, and what its policy refused.
    """

    def __init__(self, write: int, read: int) -> None:
        self._write, self._read = write, os.fdopen(read, "rb")
        self._number, self._rest = 0, b""
        self._session = ""
        self.requested: list[str] = []
        self.complaints: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> Any:
        """Call a method of https://chromedevtools.github.io/devtools-protocol/ and return its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            told = self._next()
            if told.get("id") == self._number:
                assert "error" not in told, (method, told["error"])
                return told["result"]
            self._note(told)

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            part = self._read.read1(1 << 16)
            assert part, "the browser has ended"
            self._rest += part
        text, _, self._rest = self._rest.partition(b"\0")
        told: dict[str, Any] = json.loads(text)
        return told

    def _note(self, told: dict[str, Any]) -> None:
        name, facts = told.get("method"), told.get("params", {})
        if name == "Network.requestWillBeSent":
            self.requested.append(facts["request"]["url"])
        elif name == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(facts["exceptionDetails"])[:500])
        elif name == "Log.entryAdded" and facts["entry"]["source"] == "network":
            pass  # an answer that is an error: whether it should be one is for the test to say
        elif name in ("Runtime.consoleAPICalled", "Log.entryAdded"):
            self.complaints.append(json.dumps(facts)[:500])

    def show(self, url: str, *, width: int = 1280, height: int = 900, dark: bool = False) -> None:
        """Open an address in a window of this size, light or dark."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call("Page.navigate", url=url)

    def run(self, code: str) -> Any:
        """Return what an expression of JavaScript is, once it is there where it is a promise."""
        told = self.call("Runtime.evaluate", expression=code, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    def wait(self, code: str) -> Any:
        """Return what an expression is, as soon as it is true."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if found := self.run(code):
                return found
        raise AssertionError(f"{code} did not come true on {self.run('document.body.innerText')!r:.2000}")

    def picture(self, path: Path) -> None:
        """Write what the whole page looks like."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        told = self.call("Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(told["data"]))


@contextlib.contextmanager
def browsing() -> Iterator[Browser]:
    """Run a browser for the block. It is killed after that, and what it had on disk removed."""
    # Beside the tests' own folders: the path of a socket in it has to be short.
    with tempfile.TemporaryDirectory(prefix="browser-", ignore_cleanup_errors=True) as folder, _running(folder) as one:
        yield one


@contextlib.contextmanager
def _running(folder: str) -> Iterator[Browser]:
    assert PROGRAM is not None
    there, ours = os.pipe()
    here, theirs = os.pipe()

    def join() -> None:  # the numbers that the browser looks at
        os.dup2(there, 13)
        os.dup2(theirs, 14)
        os.dup2(13, 3)
        os.dup2(14, 4)

    prepare: Callable[[], None] = join
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-pipe"]
    options += ["--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
    process = subprocess.Popen(
        [PROGRAM, *options, f"--user-data-dir={folder}/profile", "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=prepare,
        env={**os.environ, "TMPDIR": folder},
        close_fds=False,
        start_new_session=True,
    )
    os.close(there)
    os.close(theirs)
    try:
        yield Browser(ours, here)
    finally:
        os.close(ours)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 9)
        process.wait()
