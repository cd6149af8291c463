"""Drive a headless Chromium over its debugging pipe: open a page, run a script in it, keep what it logs."""

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
EXECUTABLE = next(filter(None, map(shutil.which, NAMES)), None)
SECONDS = 120

_OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-dev-shm-usage",
    "--window-size=1000,900",
    "--remote-debugging-pipe",
)

# The browser reads commands from descriptor 3 and writes to 4; copies above 9 cannot be in the way.
_LAUNCH = """
import fcntl, os, sys
commands, answers = (fcntl.fcntl(int(n), fcntl.F_DUPFD, 10) for n in sys.argv[1:3])
os.dup2(commands, 3)
os.dup2(answers, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""


class Page:
    """Be one tab, and keep the events that the browser tells of it."""

    def __init__(self, inlet, outlet):
        self._inlet, self._outlet, self._buffer, self._count, self._session = inlet, outlet, b"", 0, {}
        self.events = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._session = {"sessionId": session}
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method, **params):
        """Send a command of the Chrome DevTools protocol and give its result."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": params} | self._session
        os.write(self._inlet, json.dumps(message).encode() + b"\0")
        answer = self._wait(lambda message: message.get("id") == self._count)
        assert "error" not in answer, answer["error"]
        return answer["result"]

    def open(self, path):
        """Load a file and wait until all of it is there."""
        self.call("Page.navigate", url=path.as_uri())
        if not self.named("Page.loadEventFired"):
            self._wait(lambda message: message.get("method") == "Page.loadEventFired")

    def run(self, expression):
        """Evaluate JavaScript, wait for its promise, and give the value."""
        answer = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def named(self, *methods):
        """List the events of the given names."""
        return [event for event in self.events if event["method"] in methods]

    def _wait(self, is_it):
        end = time.monotonic() + SECONDS
        while True:
            while b"\0" not in self._buffer:
                ready, _, _ = select.select([self._outlet], [], [], max(0, end - time.monotonic()))
                assert ready, "the browser does not answer"
                read = os.read(self._outlet, 1 << 20)
                assert read, "the browser has ended"
                self._buffer += read
            line, _, self._buffer = self._buffer.partition(b"\0")
            message = json.loads(line)
            if "method" in message:
                self.events.append(message)
            if is_it(message):
                return message


@contextmanager
def page(profile: Path):
    """Start the browser with a fresh profile, give a tab, and end the browser with all its processes."""
    child_in, inlet = os.pipe()
    outlet, child_out = os.pipe()
    command = [EXECUTABLE, *_OPTIONS, f"--user-data-dir={profile}"]
    process = subprocess.Popen(
        [sys.executable, "-c", _LAUNCH, str(child_in), str(child_out), *command],
        pass_fds=(child_in, child_out),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    os.close(child_in)
    os.close(child_out)
    try:
        yield Page(inlet, outlet)
    finally:
        os.close(inlet)
        os.close(outlet)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
