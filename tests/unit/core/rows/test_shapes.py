"""What requests have in common, by number."""

from __future__ import annotations

from privet.core.cache import SIZE
from privet.core.parsing.parse import Rows
from privet.core.parsing.texts import Texts
from privet.core.rows.facts import Registry
from privet.core.rows.shapes import MANY, Shapes


class Watch:
    """Shapes of rows, which are hosts and targets."""

    def __init__(self, size: int = SIZE) -> None:
        self.registry = Registry(100)
        self.registry.requests = Texts(size)
        self.shapes = Shapes(self.registry)

    def __call__(self, *asked: tuple[str, str] | str) -> list[str]:
        rows = Rows(len(asked))
        rows.keys, rows.times = [b"\xc0\x00\x02\x01"] * len(asked), [0.0] * len(asked)
        pairs = [("-", one) if isinstance(one, str) else one for one in asked]
        rows.columns = {"request": [f"GET {target} HTTP/1.1".encode() for _, target in pairs]}
        if any(host != "-" for host, _ in pairs):
            rows.columns["host"] = [host.encode() for host, _ in pairs]
        numbers = self.shapes(self.registry.facts(rows)).tolist()
        return [f"{self.shapes.urls[one].site.decode()} {self.shapes.urls[one].shape.decode()}" for one in numbers]


def test_shapes_have_stars_for_what_varies() -> None:
    shapes = Watch()

    assert shapes("/blog/2026/11/post") == ["- /blog/*/*/post"]
    assert shapes("/a?action=rc&id=HomePage") == ["- /a?action=rc&id=*"]
    for word in ("one", "two", "three", "four", "five"):
        assert shapes(f"/b?show={word}") == ["- /b?show=*" if word == "five" else f"- /b?show={word}"]
    assert shapes("/b?show=one") == ["- /b?show=*"]
    assert shapes(f"/x/{'0af3' * 8}.html") == ["- /x/*.html"]


def test_what_varies_is_learnt_within_a_block_as_from_one_row_after_the_other() -> None:
    words = [f"/b?show={word}" for word in ("one", "two", "one", "three", "four", "one", "five", "one", "two")]
    whole, single = Watch(), Watch()

    assert whole(*words) == [shape for word in words for shape in single(word)]
    assert whole(*words) == ["- /b?show=*"] * len(words)
    assert MANY == 4


def test_hosts_are_told_apart_also_where_their_requests_share_a_place() -> None:
    shapes = Watch()
    asked = [(f"{host}.example", f"/{target}") for host in "abc" for target in range(0, 900, 7)]
    expected = [f"{host}.example /*" for host in "abc" for _ in range(0, 900, 7)]

    assert shapes(*asked) == expected
    assert shapes(*reversed(asked)) == expected[::-1]
    assert shapes("/1") == ["- /*"]


def test_numbers_are_given_anew_when_the_requests_are() -> None:
    shapes = Watch(2)
    shapes("/first", "/second")

    assert shapes("/second", "/third", "/first") == ["- /second", "- /third", "- /first"]
    assert shapes.registry.requests.cleared == 1
    assert [url.page for url in shapes.shapes.urls[:4] if url] == [b"/second", b"/third", b"/first"]
