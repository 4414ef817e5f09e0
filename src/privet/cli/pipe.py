"""`privet pipe`: take a web server's log, mask it, write it, and hand its lines to the daemon."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from privet.cli.options import config_option, runtime_dir, runtime_option

if TYPE_CHECKING:
    from privet.config.model import Config, SourceConfig
    from privet.core.parsing.forwarded import Proxies
    from privet.tasks.pipe import Input

MODES = ("drop", "truncate", "pseudonym")


class _Lenient(click.Command):
    """Leaves out arguments at the end until the others can be read: a web server does not start without its log."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments; those that cannot be read are left in `ctx.args`."""
        left_out: list[str] = []
        while True:
            try:
                super().parse_args(ctx, list(args))
            except click.UsageError:
                if not args:
                    raise
                left_out.insert(0, args.pop())
            else:
                ctx.args += left_out
                return ctx.args


@click.command(
    cls=_Lenient,
    context_settings={"ignore_unknown_options": True},
    epilog="""\b
Examples:
  CustomLog "||/usr/bin/privet pipe web" privet                (Apache, access log)
  ErrorLog  "||/usr/bin/privet pipe --lines --log /var/log/apache2/error.log web"
  privet pipe --socket /run/privet/web.sock --group www-data web    (nginx, as a service)
""",
)
@config_option
@runtime_option
@click.option("--log", metavar="FILE", help="Where the masked log is written.  [default: `log` of the source]")
@click.option("--mask", metavar="MODE", help=f"One of {', '.join(MODES)}.  [default: `mask` of the source]")
@click.option("--format", "format_text", metavar="FORMAT", help="How lines look.  [default: `format` of the source]")
@click.option("--fifo", metavar="PATH", help="Read a FIFO instead of standard input.")
@click.option("--socket", "socket_path", metavar="PATH", help="Listen on a unix datagram socket that speaks syslog.")
@click.option("--group", metavar="NAME", help="The group that may write to the socket.")
@click.option("--lines", "raw", is_flag=True, help="Lines of any shape (error logs): mask and write them only.")
@click.argument("words", metavar="[SOURCE]", nargs=-1)
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    config_path: str,
    runtime: str | None,
    words: tuple[str, ...],
    fifo: str | None,
    socket_path: str | None,
    group: str | None,
    raw: bool,
    **overrides: str | None,
) -> int:
    """Take log lines from standard input, write them masked, and hand them to the daemon.

    It ends at the end of its input, never on SIGTERM or SIGHUP (with --fifo or --socket, which have no end,
    on SIGTERM, after the last line). A mistake in the configuration does not stop it, since a web server does
    not start without its log: it then masks with `drop`, and complains on stderr and in `privet status`.

    It never waits for the daemon, except where standard input is a file: nobody else waits there, so that no line
    is lost on its way to a daemon that takes lines more slowly than a file can be read.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGHUP, signal.SIGINT))  # until run() answers them
    from privet.adapters.hygiene import keep_from_swap, keep_private  # noqa: PLC0415  heavy imports wait for the call
    from privet.adapters.privileges import drop_to, prepare_runtime  # noqa: PLC0415
    from privet.adapters.sinks.logfile import LogFile, Nowhere  # noqa: PLC0415
    from privet.tasks.pipe import Pipe  # noqa: PLC0415

    exposed = [keep_private(), keep_from_swap()]
    complaints: list[str] = []
    config = _config(config_path, complaints)
    source = _source(config, _name([*words, *ctx.args], config, complaints), overrides, complaints)
    where = runtime_dir(runtime, config)
    try:
        prepare_runtime(where, config.daemon.user)
    except OSError as error:
        complaints.append(f"{error.filename}: {error.strerror}")
    lines = _input(fifo, socket_path, group, complaints)
    log = LogFile(Path(source.log)) if source.log else Nowhere()
    pipe = Pipe(source, lines, log, where, raw=raw, proxies=_proxies(config, complaints))
    refusal = drop_to(config.daemon.user)  # last: afterwards not even Python's own files may be readable
    exposed += [refusal, keep_private()]  # the kernel judges another user anew
    for complaint in (*complaints, *filter(None, exposed)):
        pipe.complain(complaint)
    pipe.run()
    return 0


def _proxies(config: Config, complaints: list[str]) -> Proxies:
    """Return who is trusted, as far as that can be told without asking anybody."""
    from privet.core.parsing.forwarded import Proxies  # noqa: PLC0415

    if not config.proxies.trustedlists:  # most intakes need no more than that, and it is a few MB less
        return Proxies(config.proxies.trusted)
    from privet.adapters.ignore import IgnoreLists  # noqa: PLC0415
    from privet.config.compile import trusted_by  # noqa: PLC0415

    lists = IgnoreLists()
    lists.want(one for one in config.proxies.trustedlists if one.kind == "file")
    lists.refresh()
    complaints.extend(lists.problems)
    return Proxies(trusted_by(config, lists.answers))


def _config(path: str, complaints: list[str]) -> Config:
    from privet.config.errors import ConfigErrors  # noqa: PLC0415
    from privet.config.loader import load  # noqa: PLC0415
    from privet.config.model import Config  # noqa: PLC0415

    try:
        return load(path)
    except ConfigErrors as errors:
        complaints.extend(map(str, errors.errors))
        return Config()


def _name(words: list[str], config: Config, complaints: list[str]) -> str:
    """Return the word that names a source; every other one is a mistake."""
    names = [word for word in words if not word.startswith("-")]
    name = next((name for name in names if name in config.sources), names[0] if names else "web")
    if name in words:
        words.remove(name)
    complaints.extend(f"unknown argument {word}" for word in words)
    return name


def _source(config: Config, name: str, overrides: dict[str, str | None], complaints: list[str]) -> SourceConfig:
    """Return the source as configured and overridden; with any mistake, as `fallback` says."""
    import msgspec  # noqa: PLC0415

    from privet.config.model import SourceConfig  # noqa: PLC0415
    from privet.core.parsing.formats import FormatError, parse_format  # noqa: PLC0415
    from privet.core.parsing.parse import plan_of  # noqa: PLC0415
    from privet.tasks.pipe import fallback  # noqa: PLC0415

    if name not in config.sources and not complaints:
        complaints.append(f"no source {name} in the configuration")
    source = config.sources.get(name, SourceConfig(name=name, pipe=True))
    source = msgspec.structs.replace(source, log=overrides["log"] or source.log)
    mask, format_text = overrides["mask"] or source.mask, overrides["format_text"] or source.format
    if mask not in MODES:
        complaints.append(f"no mask {mask}: there are {', '.join(MODES)}")
    if format_text != "auto":
        try:
            plan_of(parse_format(format_text))
        except FormatError as error:
            complaints.append(f"format: {error}")
    if complaints:
        return fallback(source)
    return msgspec.structs.replace(source, mask=mask, format=format_text)


def _input(fifo: str | None, socket_path: str | None, group: str | None, complaints: list[str]) -> Input:
    from privet.adapters.sources.inputs import DatagramInput, StreamInput  # noqa: PLC0415

    if socket_path:
        Path(socket_path).parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        return DatagramInput(Path(socket_path), _group_id(group, complaints))
    return StreamInput(Path(fifo) if fifo else None)


def _group_id(name: str | None, complaints: list[str]) -> int | None:
    import grp  # noqa: PLC0415

    try:
        return grp.getgrnam(name).gr_gid if name else None
    except KeyError:
        complaints.append(f"no group {name}")
        return None
