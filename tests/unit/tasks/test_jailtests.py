"""Jails on their own samples: all that come with Privet pass, and a sample that is wrong is found out."""

from __future__ import annotations

import pytest

from privet.config.builtin import builtins
from privet.config.errors import ConfigErrors
from privet.config.loader import parse
from privet.tasks.jailtests import Result, builtin_results, results

JAIL = """
[source.web]
path = "/x"
[jail.hidden]
source = "web"
path = '^/hidden/'
status = 403
distinct = "path"
maxretry = 3
"""


@pytest.mark.parametrize("name", builtins())
def test_all_that_come_with_privet_do_as_their_samples_say(name: str) -> None:
    found = list(builtin_results([name]))

    assert [one for one in found if not one.passed] == []
    assert any(one.what == "hit" for one in found) or any(one.what == "session" for one in found)


def tried(test: str, jail: str = JAIL) -> list[Result]:
    return list(results(parse(f"{jail}[[jail.hidden.test]]\n{test}\n", "p.toml")))


@pytest.mark.parametrize(
    ("test", "why"),
    [
        ("hit = ['GET /hidden/a 403']", ""),
        ("hit = ['GET /hidden/a 200']", "status: '200': wanted is 403"),
        ("miss = ['GET /hidden/a 403']", "counts as a failure"),
        ("miss = ['GET /hidden/a 200', 'GET /?u=/hidden/ 403']", ""),
        ("before = ['GET /x 200']\nhit = ['GET /hidden/a 403']", ""),
        ("hit = ['nonsense']", "format: the line is no request: not in the format"),
        ('hit = [\'192.0.2.1 - - [05/Jan/2026:00:00:00 +0000] "GET /hidden/ HTTP/1.1" 403 5 "-" "x"\']', ""),
        ("lines = ['3 times GET /hidden/{n} 403']\nexpect = 'ban'", ""),
        ("lines = ['3 times GET /hidden/{n} 403']\nexpect = ['192.0.2.7']", ""),
        ("lines = ['3 times GET /hidden/{n} 403']\nexpect = 'nothing'", "3 failures, 1 client banned; a ban takes 3"),
        (
            "lines = ['9 times GET /hidden/a 403']\nexpect = 'ban'",
            "9 failures, 0 clients banned; a ban takes",
        ),
        ("lines = ['2 times GET /hidden/{n} 403', 'wait 1h', 'GET /hidden/x 403']\nexpect = 'nothing'", ""),
        ("lines = ['3 times GET /hidden/{n} 403']\nevery = '1h'\nexpect = 'nothing'", ""),
        ("lines = ['3 times GET /hidden/{n} 403']\nexpect = ['192.0.2.8']", "3 failures, 1 client banned"),
        ("client = '2001:db8:{n}::1'\nlines = ['3 times GET /hidden/{n} 403']\nexpect = 'nothing'", ""),
    ],
)
def test_what_was_lacking_is_told(test: str, why: str) -> None:
    found = tried(test)

    assert all(one.passed for one in found) == (not why)
    assert found[-1].why.startswith(why) if why else not found[-1].why


def test_a_jail_that_asks_for_agents_and_sites() -> None:
    jail = '[source.web]\npath = "/x"\n[jail.hidden]\nsource = "web"\nagent = "^curl"\nhost = "a.example.org"\n'

    assert tried("hit = ['GET / 200']\nagent = 'curl/8'\nhost = 'a.example.org'", jail)[0].passed
    assert not tried("hit = ['GET / 200']\nagent = 'curl/8'", jail)[0].passed


def test_filters_and_dry_runs_can_be_tried() -> None:
    jail = '[source.web]\njournal = []\n[jail.hidden]\nsource = "web"\ndry_run = true\nmaxretry = 2\n'
    jail += "filter = { failregex = 'door: <HOST> knocked$' }\n"

    assert tried("lines = ['2 times {time} host door: 192.0.2.9 knocked']\nexpect = ['192.0.2.9']", jail)[0].passed
    assert "wanted" in tried("hit = ['{time} host door: 192.0.2.9 knoked']", jail)[0].why


@pytest.mark.parametrize(
    ("test", "message"),
    [
        ("name = 'x'", "a test needs 'hit', 'miss' or 'lines'"),
        ("lines = ['GET / 200']", "'lines' and 'expect' go together"),
        ("before = ['GET / 200']\nlines = ['GET / 200']\nexpect = 'ban'", "'before' stands before 'hit' or 'miss'"),
        ("hit = []", "expected a list of lines, got a list"),
        ("hit = ['GET / 200']\nexpect = 'ban'", "'lines' and 'expect' go together"),
        ("lines = ['GET / 200']\nexpect = 'bann'", "expected 'ban', 'nothing' or a list"),
        ("lines = ['GET / 200']\nexpect = ['somebody']", "jail.hidden.test"),
        ("lines = ['wait long']\nexpect = 'ban'", "expected a duration"),
        ("lines = ['999999 times GET / 200']\nexpect = 'ban'", "at most 100000 lines"),
        ("hits = ['GET / 200']", "unknown setting, did you mean 'hit'?"),
    ],
)
def test_mistakes_in_samples(test: str, message: str) -> None:
    with pytest.raises(ConfigErrors) as caught:
        tried(test)

    assert message in str(caught.value)
