"""Chromium without a window, for tests of pages: by its DevTools protocol through two pipes, so no package is needed."""

import fcntl
import json
import os
import select
import shutil
import signal
import time
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-sync",
           "--disable-background-networking", "--disable-component-update", "--host-resolver-rules=MAP * ~NOTFOUND",
           "--remote-debugging-pipe", "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")  # fmt: skip


def executable() -> str | None:
    """Where Chromium is; None where it isn't."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """One page, offline. requests: every address that it or its workers asked for, but for file:, data: and blob:.

    folder: an empty one for the browser's profile. Use it in a `with`.
    """

    def __init__(self, folder: Path):
        (command, self._write), (self._read, answer) = os.pipe(), os.pipe()
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (command, answer)]  # clear of 3 and 4, where they go
        actions = [(os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0)]
        actions += [(os.POSIX_SPAWN_DUP2, end, number) for end, number in zip(ends, (3, 4), strict=True)]
        arguments = [executable(), *OPTIONS, f"--user-data-dir={folder}", "about:blank"]
        self._pid = os.posix_spawn(arguments[0], arguments, os.environ, file_actions=actions, setpgroup=0)
        for end in (command, answer, *ends):
            os.close(end)
        self._number, self._rest, self._answers, self.requests = 0, b"", {}, []
        target = self.call("Target.createTarget", "", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", "", targetId=target, flatten=True)["sessionId"]
        self.call("Target.setAutoAttach", autoAttach=True, waitForDebuggerOnStart=True, flatten=True)
        self.call("Network.enable")
        self.call("Network.emulateNetworkConditions", offline=True, latency=0, downloadThroughput=0, uploadThroughput=0)
        for domain in ("Page", "DOM", "Runtime"):
            self.call(f"{domain}.enable")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.killpg(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self._read)
        os.close(self._write)

    def call(self, method: str, session: str | None = None, seconds: float = 60, **parameters) -> dict:
        """The answer to a command. AssertionError for an error, TimeoutError when none comes."""
        number = self._send(method, self._session if session is None else session, parameters)
        last = time.monotonic() + seconds
        while number not in self._answers:
            self._receive(method, last)
        answer = self._answers.pop(number)
        assert "error" not in answer, f"{method}: {answer['error']}"
        return answer["result"]

    def open(self, page: Path) -> None:
        """Go to a file."""
        self.call("Page.navigate", url=page.resolve().as_uri())
        self.run("new Promise(done => document.readyState === 'complete' ? done() : addEventListener('load', done))")

    def run(self, script: str, seconds: float = 60):
        """What an expression in the page becomes, awaited. AssertionError with its message where it throws."""
        done = self.call(
            "Runtime.evaluate",
            seconds=seconds,
            expression=script,
            awaitPromise=True,
            returnByValue=True,
            userGesture=True,
        )
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def choose_file(self, selector: str, file: Path) -> None:
        """Hand a file to an input, as a user would pick it."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(file.resolve())])

    def look(self, width: int, height: int, dark: bool = False) -> None:
        """A window of so many pixels, light or dark."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def _send(self, method: str, session: str, parameters: dict) -> int:
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        content = json.dumps(message | ({"sessionId": session} if session else {})).encode() + b"\0"
        while content:
            content = content[os.write(self._write, content) :]
        return self._number

    def _receive(self, what: str, last: float) -> None:
        """Take in what the browser says next."""
        if not select.select([self._read], [], [], max(0, last - time.monotonic()))[0]:
            raise TimeoutError(f"{what}: no answer of the browser")
        said = os.read(self._read, 1 << 20)
        assert said, f"{what}: the browser ended"
        *messages, self._rest = (self._rest + said).split(b"\0")
        for message in map(json.loads, messages):
            if "id" in message:
                self._answers[message["id"]] = message
            elif message["method"] == "Target.attachedToTarget" and "sessionId" in message:
                worker = message["params"]["sessionId"]  # held until its requests are counted, too
                self._send("Network.enable", worker, {})
                self._send("Runtime.runIfWaitingForDebugger", worker, {})
            elif message["method"] == "Network.requestWillBeSent":
                address = message["params"]["request"]["url"]
                if not address.startswith(("file:", "data:", "blob:")):
                    self.requests.append(address)
