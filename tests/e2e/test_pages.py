"""Pages of reports, looked at in a real browser: by day and by night, wide and narrow."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

import pytest

from privet.cli import client
from privet.cli.main import run
from tests.e2e.browser import Browser
from tests.unit.cli.test_figures import items

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.needs("chromium", "bash")

BEGIN = 1_795_345_200.0
HOSTILE = (
    "Mozilla/5.0 <script>document.title='taken'</script>",
    "]]></style></svg><img src=http://192.0.2.66/x.png onerror=alert(1)>",
    "\u202egnp.exe \u2066 \x01\x1b[31m",
    "x" * 4000,
)
COLOURS = {
    "light": {"paper": "#f7f6f1", "card": "#fffefb", "ok": "#7db084", "refused": "#e3b04b", "failed": "#c75b45"},
    "dark": {"paper": "#131614", "card": "#1b1f1c", "ok": "#5c9566", "refused": "#d3a03f", "failed": "#d66a52"},
}

COVERED = """
[...document.querySelectorAll("svg")].some((svg) => {
  const boxes = [...svg.querySelectorAll("text")].map((one) => one.getBoundingClientRect()).filter((b) => b.width);
  return boxes.some((a, i) => boxes.slice(i + 1).some((b) =>
    a.left < b.right && b.left < a.right && a.top + 3 < b.bottom && b.top + 3 < a.bottom));
})
"""
"""Whether texts of one picture lie over each other."""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Give a browser."""
    browser = Browser(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a log of two days with visitors who mean harm."""
    random.seed(6)
    lines = []
    for number in range(3000):
        stamp = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(BEGIN + number * 57))
        status = random.choice((200, 200, 200, 304, 404, 500))
        agent = random.choice((*HOSTILE, *["Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"] * 6))
        path = random.choice(("/", "/wiki/Home", "/user/192.0.2.55", "/</script><b>", f"/{'long' * 90}"))
        host = f"192.0.2.{random.randrange(1, 60)}"
        lines.append(f'{host} - - [{stamp}] "GET {path} HTTP/1.1" {status} 4096 "-" "{agent}"\n')
    written = tmp_path_factory.mktemp("log") / "access.log"
    written.write_text("".join(lines), encoding="utf-8")
    return written


@pytest.fixture(scope="module", params=[("leeches",), ("hits", "--by", "agent"), ("trace", "192.0.2.7")])
def page(request: pytest.FixtureRequest, log: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Give the address of a report."""
    page = tmp_path_factory.mktemp("page") / "report.html"
    assert run(["report", *request.param, "--html", str(page), str(log)]) == 0
    return page.as_uri()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (360, "light"), (360, "dark")])
def test_a_page_looks_as_it_should(browser: Browser, page: str, width: int, scheme: str) -> None:
    browser.open(page, width, scheme)

    assert browser.said == []
    assert browser.asked == [page]
    assert browser.tell("document.title") != "taken"
    assert browser.tell("document.querySelectorAll('script, img, b b').length") == 0
    assert browser.tell("document.documentElement.scrollWidth") == width  # nothing hangs out
    assert browser.tell("[...document.querySelectorAll('svg text')].every(one => one.getBBox().height < 20)")
    assert browser.tell("document.querySelectorAll('figure, section').length") == 3
    colours = browser.colours(browser.picture())
    points = sum(colours.values())
    for name, least in (("paper", 0.02), ("card", 0.3), ("ok", 0.0005), ("refused", 0.0001), ("failed", 0.0001)):
        assert colours.get(COLOURS[scheme][name], 0) > least * points, name


def test_texts_of_a_picture_do_not_cover_each_other(browser: Browser, page: str) -> None:
    for width in (360, 768, 1280):
        browser.open(page, width)
        assert browser.tell(COVERED) is False


@pytest.fixture(scope="module", params=["tune", "replay", "compare", "limits", "overview"])
def page_of_bans(request: pytest.FixtureRequest, log: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Give the address of a page on what bans would do."""
    folder = tmp_path_factory.mktemp("bans")
    for name, limit in (("a", 3), ("b", 5)):
        (folder / name).write_text(
            f'[source.web]\npath = "/x"\n[jail.one]\nsource = "web"\nmaxretry = {limit}\nfindtime = "2h"\n'
        )
    words = {
        "tune": ["tune", "one", "-c", f"{folder}/a"],
        "replay": ["replay", "-c", f"{folder}/a"],
        "limits": ["report", "limits", "-c", f"{folder}/b"],
        "overview": ["report", "overview", "-c", f"{folder}/a"],
        "compare": ["replay", "--compare", f"{folder}/a", f"{folder}/b"],
    }[request.param]
    page = folder / "page.html"
    assert run([*words, "--html", str(page), str(log)]) == 0
    return page.as_uri()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (360, "dark")])
def test_pages_of_bans_fit_and_can_be_read(browser: Browser, page_of_bans: str, width: int, scheme: str) -> None:
    browser.open(page_of_bans, width, scheme)

    assert browser.said == []
    assert browser.asked == [page_of_bans]
    assert browser.tell("document.documentElement.scrollWidth") == width
    assert browser.tell(COVERED) is False
    assert browser.tell("document.querySelectorAll('tbody tr').length") > 0
    colours = browser.colours(browser.picture())
    assert colours.get(COLOURS[scheme]["card"], 0) > 0.3 * sum(colours.values())


@pytest.mark.parametrize(("width", "scheme"), [(1280, "dark"), (360, "light")])
def test_the_page_of_the_history_draws_lines(
    browser: Browser, tmp_path: Path, width: int, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = {"items": items(), "sites": [{"site": "www", "hits": 480, "failed": 48, "bytes": 5}], "jails": []}
    monkeypatch.setattr(client, "ask", lambda *_given, **_more: answer)
    page = tmp_path / "history.html"
    assert run(["report", "history", "--html", str(page)]) == 0

    browser.open(page.as_uri(), width, scheme)

    assert browser.said == []
    assert browser.tell("document.documentElement.scrollWidth") == width
    assert browser.tell(COVERED) is False
    boxes = browser.tell("[...document.querySelectorAll('path.line')].map((one) => one.getBoundingClientRect().width)")
    assert len(boxes) == 3
    assert all(box > 0.7 * width * 0.75 for box in boxes)  # lines go all over the picture
    colours = browser.colours(browser.picture())
    assert colours.get({"light": "#6f9bb8", "dark": "#6f9fc0"}[scheme], 0) > 50  # that of the load


def test_the_browser_would_say_what_is_wrong(browser: Browser, tmp_path: Path) -> None:
    page = tmp_path / "wrong.html"
    page.write_text(
        "<!DOCTYPE html><meta http-equiv=Content-Security-Policy content=\"default-src 'none'\">"
        "<div style='width: 2000px'>x</div><script>document.title = 'taken'</script><img src=other.png>"
    )

    browser.open(page.as_uri(), 360)

    assert browser.said
    assert browser.tell("document.title") == ""
