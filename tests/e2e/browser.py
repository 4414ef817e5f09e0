"""A real Chromium without a window, spoken to over two pipes: pages are opened, measured and photographed."""

from __future__ import annotations

import base64
import json
import os
import select
import subprocess
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE = 60.0  # seconds
TALLEST = 2000  # pixels of a page that are photographed

COLOURS = """
(async () => {
  const bytes = Uint8Array.from(atob("%s"), (char) => char.charCodeAt(0));
  const picture = await createImageBitmap(new Blob([bytes], {type: "image/png"}));
  const canvas = new OffscreenCanvas(picture.width, picture.height), context = canvas.getContext("2d");
  context.drawImage(picture, 0, 0);
  const seen = new Map();
  for (const pixel of new Uint32Array(context.getImageData(0, 0, picture.width, picture.height).data.buffer))
    seen.set(pixel, (seen.get(pixel) || 0) + 1);
  const parts = (pixel) => [pixel & 255, pixel >> 8 & 255, pixel >> 16 & 255];
  const named = (pixel) => "#" + parts(pixel).map((part) => part.toString(16).padStart(2, "0")).join("");
  return Object.fromEntries([...seen].map(([pixel, times]) => [named(pixel), times]));
})()
"""


class Browser:
    """One page of a browser; `said` is what it wrote on its console, `asked` the addresses of what it fetched."""

    def __init__(self, profile: Path) -> None:
        orders, self._orders = os.pipe()
        self._answers, answers = os.pipe()
        # Chromium takes orders from descriptor 3 and answers on 4; the shell puts our pipes there.
        command = (
            f"exec 3<&{orders} 4>&{answers}; exec chromium --headless --no-sandbox --disable-gpu --hide-scrollbars "
            '--disable-dev-shm-usage --no-first-run --remote-debugging-pipe --user-data-dir="$1" about:blank'
        )
        self._process = subprocess.Popen(
            ["bash", "-c", command, "bash", str(profile)],
            pass_fds=(orders, answers),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(orders)
        os.close(answers)
        self._buffer, self._number, self._session = b"", 0, {}
        self.said: list[str] = []
        self.asked: list[str] = []
        self._loaded = False
        pages = (one for one in self._do("Target.getTargets")["targetInfos"] if one["type"] == "page")
        attached = self._do("Target.attachToTarget", targetId=next(pages)["targetId"], flatten=True)
        self._session = {"sessionId": attached["sessionId"]}
        for domain in ("Page", "Log", "Network", "Runtime"):
            self._do(f"{domain}.enable")

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        os.close(self._orders)
        os.close(self._answers)

    def open(self, url: str, width: int, scheme: str = "light") -> None:
        """Open a page in a window so wide, by day (`light`) or by night (`dark`)."""
        self._do("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self._do("Emulation.setEmulatedMedia", features=features)
        self.said.clear()
        self.asked.clear()
        self._loaded = False
        self._do("Page.navigate", url=url)
        end = time.monotonic() + PATIENCE
        while not self._loaded:
            self._event(self._read(end))

    def tell(self, expression: str) -> Any:  # noqa: ANN401  whatever JavaScript has
        """Return what an expression is in the page."""
        done = self._do("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in done, done
        return done["result"].get("value")

    def picture(self) -> bytes:
        """Return the page as PNG, as far as its first `TALLEST` pixels."""
        width, height = self.tell("[innerWidth, document.documentElement.scrollHeight]")
        clip = {"x": 0, "y": 0, "width": width, "height": min(height, TALLEST), "scale": 1}
        taken: str = self._do("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)["data"]
        return base64.b64decode(taken)

    def colours(self, picture: bytes) -> dict[str, int]:
        """Return how many points of a picture have which colour; the page is an empty one afterwards."""
        self.open("about:blank", 800)
        found: dict[str, int] = self.tell(COLOURS % base64.b64encode(picture).decode())
        return found

    def _do(self, method: str, **parameters: object) -> dict[str, Any]:
        self._number += 1
        order = {"id": self._number, "method": method, "params": parameters, **self._session}
        os.write(self._orders, json.dumps(order).encode() + b"\0")
        end = time.monotonic() + PATIENCE
        while True:
            message = self._read(end)
            if message.get("id") == self._number:
                assert "error" not in message, message
                result: dict[str, Any] = message["result"]
                return result
            self._event(message)

    def _event(self, message: dict[str, Any]) -> None:
        match message.get("method"):
            case "Page.loadEventFired":
                self._loaded = True
            case "Log.entryAdded":
                self.said.append(message["params"]["entry"]["text"])
            case "Runtime.consoleAPICalled" | "Runtime.exceptionThrown":
                self.said.append(json.dumps(message["params"]))
            case "Network.requestWillBeSent":
                self.asked.append(message["params"]["request"]["url"])

    def _read(self, end: float) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._answers], [], [], max(0.0, end - time.monotonic()))
            assert ready, "the browser does not answer"
            data = os.read(self._answers, 1 << 20)
            assert data, "the browser has ended"
            self._buffer += data
        whole, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(whole)
        return message
