"""Leaks to plant: what goes wrong, and where it must be found. Those of one group do not stand in each other's way."""

from __future__ import annotations

from typing import NamedTuple


class Plant(NamedTuple):
    """Code for the processes of one verb, and the beginning of what must be found then."""

    verb: str
    code: str
    found: str


ON_BANS = """
from privet.daemon import service
before_{number} = service.Daemon.enter
def enter_{number}(self, verdict, *rest, **more):
    address = verdict.subject.reveal()
    {what}
    return before_{number}(self, verdict, *rest, **more)
service.Daemon.enter = enter_{number}
"""


def on_bans(number: int, what: str) -> str:
    """Return code that does something with the address of each ban."""
    return ON_BANS.format(number=number, what=what)


FIRST = {
    "the daemon prints an address": Plant(
        "run", on_bans(1, "import sys; print('banned', address, file=sys.stderr)"), "disk/log/daemon.err: plain"
    ),
    "a program is called with one": Plant(
        "run", on_bans(2, "import subprocess; subprocess.Popen(['sh', '-c', 'sleep 9; :', address])"), "cmdline of s"
    ),
    "bans are stored without the seal": Plant(
        "run",
        "from privet.adapters.store.seal import KeySeal\n"
        "KeySeal.seal = lambda self, plain, context: bytes(12) + plain + bytes(16)",
        "disk/state/bans.db",
    ),
    "the escrow is written without the seal": Plant(
        "run", "import pyrage\npyrage.encrypt = lambda text, to: text", "disk/state/escrow/"
    ),
    "a name is asked for": Plant(
        "run",
        on_bans(
            3,
            "import socket, threading; "
            "threading.Thread(target=socket.gethostbyaddr, args=[address], daemon=True).start()",
        ),
        "network: ",
    ),
    "clients are not masked in the access log": Plant(
        "pipe",
        "from privet.core.masking import mask\nmask.Mask._client = lambda self, key: mask.unpack(key.ljust(16, b'\\0') "
        "if len(key) == 8 else key)",
        "disk/log/web.log: plain",
    ),
    "what comes is kept on the disk": Plant(
        "pipe",
        "from privet.tasks.pipe import Pipe\ntake = Pipe._take\n"
        "def spill(self, block, **how):\n    open('spill', 'ab').write(block)\n    take(self, block, **how)\n"
        "Pipe._take = spill",
        "disk/tmp/spill: plain",
    ),
    "a crash leaves a core file": Plant(
        "pipe",
        "from privet.adapters import hygiene\nhygiene.keep_private = resource.setrlimit = lambda *_: None",
        "python",
    ),
    "a table shows addresses": Plant(
        "bans",
        "import privet.cli.bans, privet.cli.client as c\nask = c.ask\nc.ask = lambda *words, **more: "
        "ask(*words, **(more | {'reveal': True}))",
        "disk/log/said.err: plain",
    ),
}
SECOND = {
    "the log quotes what an exception says": Plant(
        "run",
        "from privet.daemon import log\nlog.scrub = lambda logger, method, event: event\n"
        "def trouble(logger, method, event):\n"
        "    import sys\n    event['error'] = str(sys.exception() if event.pop('exc_info', None) else '')\n"
        "    return event\nlog.trouble = trouble\n"
        + on_bans(4, "try: raise KeyError(address)\n    except KeyError: self.log.exception('failed')"),
        "disk/log/daemon.err: plain",
    ),
    "a program has one in its environment": Plant(
        "run",
        on_bans(5, "import subprocess; subprocess.Popen(['sleep', '9'], env={'CLIENT': address})"),
        "environ of sleep",
    ),
    "a file is named by a client": Plant(
        "run", on_bans(6, "(self.state / address.replace('/', '-')).touch()"), "disk/state/198.51.100.77: plain"
    ),
    "errors are not masked": Plant(
        "pipe",
        "if '--lines' in sys.argv:\n    from privet.core.masking.mask import Mask\n"
        "    Mask.scrub = lambda self, text: text",
        "disk/log/error.log: percent",
    ),
    "an exception that nobody caught is printed": Plant(
        "pipe",
        "from privet.cli import lastdoor\nlastdoor.shut = lambda: None\n"
        "if '--lines' not in sys.argv:\n"
        "    from privet.core.parsing.lines import LineSplitter\n"
        "    def feed(self, data): raise ValueError(data[:500])\n"
        "    LineSplitter.feed = feed",
        "disk/log/web.err: plain",
    ),
}


def code_of(plants: dict[str, Plant]) -> str:
    """Return the code that plants all of a group."""
    blocks = []
    for plant in plants.values():
        body = "\n    ".join(plant.code.strip().splitlines())
        blocks.append(f"if verb == {plant.verb!r}:\n    {body}")
    return "\n".join(blocks)
