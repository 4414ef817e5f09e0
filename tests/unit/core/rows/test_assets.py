"""What is an asset: by the type of the response, by suffix, and by how browsers ask for it."""

from __future__ import annotations

from privet.core.cache import SIZE
from privet.core.parsing.formats import named, parse_format
from privet.core.parsing.parse import plan_of
from privet.core.rows.assets import CLEAR, Assets
from privet.core.rows.facts import Registry
from privet.core.rows.shapes import Shapes
from privet.core.swarms.swarm import COLUMNS

TYPED = parse_format('%h %t "%r" %>s %b "%{Content-Type}o"')
STAMP = "[17/May/2026:10:05:{:02} +0000]"


class Watch:
    """Assets and shapes that learn from lines of one format."""

    def __init__(self, *, typed: bool = False) -> None:
        self.plan = plan_of(TYPED if typed else named("combined"), COLUMNS)
        self.registry = Registry(1000)
        self.shapes = Shapes(self.registry)
        self.assets = Assets(self.registry, self.shapes)

    def __call__(self, *lines: str) -> list[bool]:
        rows = self.plan.parse("".join(f"{line}\n" for line in lines).encode())
        assert not rows.bad
        facts = self.registry.facts(rows)
        answers: list[bool] = self.assets(facts, self.shapes(facts)).tolist()
        return answers


def plain(target: str, referer: str = "-", client: int = 1, second: int = 0) -> str:
    return f'192.0.2.{client} - - {STAMP.format(second)} "GET {target} HTTP/1.1" 200 5 "{referer}" "x"'


def typed(target: str, kind: str) -> str:
    return f'192.0.2.1 {STAMP.format(0)} "GET {target} HTTP/1.1" 200 5 "{kind}"'


def test_suffixes() -> None:
    targets = ("/a.css", "/b.PNG?v=3", "/c.woff2", "/", "/page.html", "/css", "/feed.xml", "/a.css/more")

    assert Watch()(*map(plain, targets)) == [True, True, True, False, False, False, False, False]


def test_types_count_more_than_suffixes_and_are_remembered_for_answers_without_one() -> None:
    watch = Watch(typed=True)

    kinds = {"/image/17": "image/png", "/x.css": "text/html; charset=utf-8", "/main": "application/javascript"}
    assert watch(*(typed(target, kind) for target, kind in kinds.items())) == [True, False, True]
    assert watch(typed("/image/99", "-"), typed("/page", "-"), typed("/x.css", "-")) == [True, False, True]


def test_pictures_at_addresses_without_a_suffix_are_learnt_from_browsers() -> None:
    watch = Watch()
    for client in range(1, CLEAR + 1):
        watch(plain("/post", client=client), plain("/image/17", "https://blog.example/post", client, 1))

    assert watch(plain("/image/23", client=99)) == [True]


def test_one_client_alone_makes_no_asset_and_neither_do_links_that_are_followed() -> None:
    watch = Watch()
    for second in range(0, 50, 5):
        watch(plain("/post", second=second), plain("/image/17", "https://blog.example/post", second=second + 1))
    for client in range(1, 20):
        watch(plain("/post", client=client), plain("/next", "https://blog.example/post", client, 40))

    assert watch(plain("/image/23", client=99), plain("/next", client=98)) == [False, False]


def test_what_is_often_asked_for_alone_is_no_asset() -> None:
    watch = Watch()
    for client in range(1, 40):
        watch(plain("/post", client=client), plain("/page/17", "https://blog.example/post", client, 1))
    assert watch(plain("/page/5", client=99)) == [True]

    for client in range(1, 20):
        watch(plain("/page/23", client=100 + client))
    assert watch(plain("/page/5", client=99)) == [False]


def test_what_was_learnt_is_taken_over_and_outlasts_requests_without_number() -> None:
    old, new = Watch(), Watch()
    for client in range(1, CLEAR + 1):
        old(plain("/post", client=client), plain("/image/17", "https://blog.example/post", client, 1))
    old(plain("/post", client=77))
    new.registry.carry(old.registry)
    new.shapes.carry(old.shapes)
    new.assets.carry(old.assets)

    assert new(plain("/image/18", client=99), plain("/other", "https://blog.example/post", 77, 1)) == [True, False]
    for number in range(0, 3 * SIZE, SIZE // 4):
        new(*(plain(f"/{letters(number + place)}") for place in range(SIZE // 4)))
    assert new.shapes.renewed > 2
    assert new(plain("/image/19", client=99)) == [True]


def letters(number: int) -> str:
    return f"{number:08o}".translate(str.maketrans("01234567", "ghijklmn"))
