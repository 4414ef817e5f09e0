"""`privet regex`: try a filter on a log or a line, as fail2ban-regex does."""

from __future__ import annotations

import re
import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from privet.cli.main import EX_CONFIG, EX_DATA, Failure
from privet.cli.options import json_option

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from privet.core.filters.model import FilterSpec
    from privet.tasks.trial import Hit, Trial

FATES = ("ignored", "matched", "missed")
SHOWN = 20
"""Lines of one fate that are printed; of more only how many there are."""

EVERYTHING = 1_000_000
"""Lines that are kept when all of them are asked for."""

_FILTER = re.compile(r"([\w.-]+)(\[.*\])?", re.DOTALL)
_JOURNAL = re.compile(r"systemd-journal(\[.*\])?", re.DOTALL)
_TOKEN = re.compile(r"<([^<>]+)>")


@click.command(
    epilog="""\b
Examples:
  privet regex /var/log/auth.log sshd
  privet regex /var/log/auth.log.2.gz "sshd[mode=aggressive]" --print-all-missed
  privet regex "Nov 14 22:13:20 host app: login of x failed from 192.0.2.7" "failed from <HOST>$"
  privet regex systemd-journal sshd
  privet regex "systemd-journal[journalpath=/mnt/var/log/journal]" sshd -m "_SYSTEMD_UNIT=ssh.service"
"""
)
@click.option("-c", "--config", "folder", metavar="DIR", default="/etc/fail2ban", show_default=True, help="Filters.")
@click.option("-d", "--datepattern", metavar="PATTERN", help="In place of the filter's.")
@click.option("-L", "--maxlines", metavar="N", type=click.IntRange(min=1), help="In place of the filter's.")
@click.option("-m", "--journalmatch", metavar="MATCH", help="In place of the filter's, with `systemd-journal`.")
@click.option("-e", "--encoding", metavar="NAME", help="Of the log.  [default: UTF-8]")
@click.option("--TZ", "--timezone", "zone", metavar="ZONE", help="Of dates without one.  [default: local]")
@click.option("-v", "--verbose", is_flag=True, help="Show every expression, and whom it found when.")
@click.option(
    "-o", "--out", metavar="WHAT", help="Print only that of each failure: id, ip, msg, or text with <F-USER>."
)
@click.option("--print-all-matched", "all_matched", is_flag=True, help="Print matched lines too, however many.")
@click.option("--print-all-missed", "all_missed", is_flag=True, help="However many they are.")
@click.option("--print-all-ignored", "all_ignored", is_flag=True, help="However many they are.")
@click.option("--print-no-missed", "no_missed", is_flag=True, help="Show none that was missed.")
@click.option("--print-no-ignored", "no_ignored", is_flag=True, help="Show none that was ignored.")
@click.option("-r", "--raw", "_raw", is_flag=True, hidden=True, help="Names are never looked up.")
@click.option("--usedns", "_usedns", hidden=True, help="Likewise.")
@click.option("-l", "--log-level", "_level", hidden=True, help="Of fail2ban's own messages.")
@json_option
@click.argument("log")
@click.argument("regex")
@click.argument("ignoreregex", required=False)
def command(
    log: str,
    regex: str,
    ignoreregex: str | None,
    *,
    folder: str,
    datepattern: str | None,
    maxlines: int | None,
    journalmatch: str | None,
    encoding: str | None,
    zone: str | None,
    out: str | None,
    verbose: bool,
    all_matched: bool,
    all_missed: bool,
    all_ignored: bool,
    no_missed: bool,
    no_ignored: bool,
    as_json: bool,
    **_: object,  # what fail2ban-regex knows besides: names are never looked up here, and it says nothing of itself
) -> int:
    """Try REGEX (a filter's name, its file, or a failregex) on LOG (a file, `-`, systemd-journal, or a line).

    Prints what fail2ban-regex prints: how often each expression matched, the forms of dates, and the lines that
    were missed. Exit code 0 if a line matched, else 1.
    """
    from privet.adapters.localtime import local_zone  # noqa: PLC0415
    from privet.core.filters.errors import FilterError  # noqa: PLC0415
    from privet.tasks.trial import Trial  # noqa: PLC0415

    changes = {"datepattern": datepattern, "maxlines": maxlines, "logencoding": encoding, "logtimezone": zone}
    journal = _JOURNAL.fullmatch(log)
    spec, matches = _spec(Path(folder), regex, ignoreregex, journal=journal is not None)
    if journalmatch is not None:
        matches = (tuple(shlex.split(journalmatch)),)
    spec = msgspec.structs.replace(spec, **{name: value for name, value in changes.items() if value is not None})
    began = time.monotonic()
    everything = all_matched or all_missed or all_ignored
    try:
        trial = Trial(
            spec, local_zone(), time.time(), kept=EVERYTHING if everything else SHOWN + 1, journal=journal is not None
        )
    except FilterError as error:
        raise Failure(f"{regex}: {error}", EX_CONFIG) from None
    for line in _entries(journal[1] or "", matches) if journal else _lines(log):
        trial.feed(line)
        for hit in trial.found if out else ():
            text = line.decode(errors="replace")
            click.echo(_told(out or "", hit, text.partition(" ")[2] if journal else text))
    if as_json:
        _print_json(trial)
    elif not out:
        _print_head(spec, folder, regex, ignoreregex)
        _print_source(log, matches if journal else None)
        _print_expressions(trial, verbose=verbose)
        _print_counts(trial, time.monotonic() - began)
        shown = {"matched": all_matched, "ignored": not no_ignored, "missed": not no_missed}
        _print_lines(trial, shown, {"matched": all_matched, "ignored": all_ignored, "missed": all_missed})
    return 0 if trial.lines["matched"] else 1


def _spec(
    folder: Path, regex: str, ignoreregex: str | None, *, journal: bool
) -> tuple[FilterSpec, tuple[tuple[str, ...], ...]]:
    """Return the filter that is meant, and its journalmatch."""
    from privet.config.fail2ban.ini import RefusedError  # noqa: PLC0415
    from privet.config.fail2ban.single import read_filter  # noqa: PLC0415
    from privet.core.filters.model import FilterSpec  # noqa: PLC0415

    found = _FILTER.fullmatch(regex)
    path = Path(regex)
    matches: tuple[tuple[str, ...], ...] = ()
    try:
        if found and any((folder / "filter.d" / f"{found[1]}{suffix}").is_file() for suffix in (".conf", ".local")):
            spec, matches = read_filter(folder, regex, journal=journal)
        elif path.suffix in (".conf", ".local") and path.is_file():
            if path.absolute().parent.name != "filter.d":
                raise Failure(f"{regex}: a filter stands in a folder filter.d", EX_CONFIG)
            spec, matches = read_filter(path.absolute().parent.parent, path.stem, journal=journal)
        else:
            spec = FilterSpec(name="failregex", failregex=(regex,), usedns="raw")
    except RefusedError as error:
        raise Failure(str(error), EX_CONFIG) from None
    more = (ignoreregex,) if ignoreregex else ()
    return msgspec.structs.replace(spec, ignoreregex=(*spec.ignoreregex, *more)), matches


def _entries(options: str, matches: Sequence[Sequence[str]]) -> Iterator[bytes]:
    """Yield the entries of the journal that match, as lines that begin with their time; `options` tell where it is."""
    from privet.adapters.sources.journal import past_lines  # noqa: PLC0415
    from privet.ports import SourceError  # noqa: PLC0415

    known = {"journalpath": "--directory", "journalfiles": "--file"}
    places = [part.split("=", 1) for part in options.strip("[]").split(",") if "=" in part]
    where = [f"{known[name.strip()]}={place.strip()}" for name, place in places if name.strip() in known]
    try:
        for line in past_lines(matches, where or ("--system",)):
            yield line.rstrip(b"\n")
    except SourceError as error:
        raise Failure(str(error), EX_DATA) from None


def _lines(log: str) -> Iterator[bytes]:
    """Yield the lines of a file, of standard input, or the one that was given; no comments, and none that are empty."""
    from privet.adapters.sources.archive import Archive  # noqa: PLC0415

    if log != "-" and not _exists(log):
        yield log.encode()
        return
    archive = Archive([log], lambda _line: None)
    for block in archive.blocks():
        yield from (line for line in block.split(b"\n") if line and not line.startswith(b"#"))
    if archive.damages:
        raise Failure("; ".join(archive.damages), EX_DATA)


def _exists(log: str) -> bool:
    try:
        return Path(log).exists()
    except (OSError, ValueError):  # a line that is no path
        return False


def _told(what: str, hit: Hit, line: str) -> str:
    """Return what is asked for of a failure."""
    known = {**hit.facts, "id": hit.who, "fid": hit.who, "ip": hit.who, "host": hit.who, "msg": line}

    def value(name: str) -> str:
        word = name.removeprefix("F-").lower().replace("-", "_")
        return str(known.get(word) or known.get(name) or "")

    return _TOKEN.sub(lambda found: value(found[1]), what) if "<" in what else value(what)


def _print_head(spec: FilterSpec, folder: str, regex: str, ignoreregex: str | None) -> None:
    click.echo("\nRunning tests\n=============\n")
    if spec.name == "failregex":
        click.echo(f"Use   failregex line : {_short(regex)}")
    else:
        click.echo(f"Use   failregex filter file : {regex}, basedir: {folder}")
        click.echo(f"Use         maxlines : {spec.maxlines}")
    if ignoreregex:
        click.echo(f"Use ignoreregex line : {_short(ignoreregex)}")
    if spec.datepattern:
        click.echo(f"Use      datepattern : {spec.datepattern}")


def _print_source(log: str, matches: Sequence[Sequence[str]] | None) -> None:
    if matches is not None:
        click.echo(f"Use         systemd journal\nUse    journal match : {' + '.join(map(' '.join, matches))}")
    elif log == "-" or _exists(log):
        click.echo(f"Use         log file : {log}")
    else:
        click.echo(f"Use      single line : {_short(log)}")
    click.echo("\n\nResults\n=======\n")


def _print_expressions(trial: Trial, *, verbose: bool) -> None:
    """Print how often each expression matched, and the forms of dates."""
    if trial.prefix:
        click.echo(f"Prefregex: {trial.count('prefregex')} total\n|  {trial.prefix}\n`-\n")
    for option, texts in (("failregex", trial.spec.failregex), ("ignoreregex", trial.spec.ignoreregex)):
        counts = [trial.count(option, number) for number in range(len(texts))]
        click.echo(f"{option.capitalize()}: {sum(counts)} total")
        listed = any(counts) or (verbose and bool(counts))
        if listed:
            click.echo("|-  #) [# of hits] regular expression")
        for number, (text, count) in enumerate(zip(texts, counts, strict=True)):
            if count or verbose:
                click.echo(f"|  {number + 1:2}) [{count}] {text}")
            for hit in trial.hits[number] if verbose and option == "failregex" else ():
                click.echo(f"|      {hit.who}  {_when(hit.time)}")
        click.echo("`-\n" if listed else "")
    if trial.dates:
        click.echo("Date template hits:\n|- [# of hits] date format")
        for form, count in trial.dates.most_common():
            click.echo(f"|  [{count}] {form}")
        click.echo("`-\n")


def _print_counts(trial: Trial, seconds: float) -> None:
    counts = ", ".join(f"{trial.lines[fate]} {fate}" for fate in FATES)
    click.echo(f"Lines: {trial.total} lines, {counts}\n[processed in {seconds:.2f} sec]\n")


def _print_lines(trial: Trial, shown: Mapping[str, bool], whole: Mapping[str, bool]) -> None:
    """Print the lines of each fate that is `shown`, however many there are where it is `whole`."""
    for fate in ("matched", "ignored", "missed"):
        count = trial.lines[fate]
        if not (count and shown[fate]):
            continue
        if count > SHOWN and not whole[fate]:
            click.echo(
                f"{fate.capitalize()} line(s): too many to print.  Use --print-all-{fate} to print all {count} lines"
            )
            continue
        click.echo(f"|- {fate.capitalize()} line(s):")
        for line in trial.kept[fate]:
            click.echo(f"|  {line}")
        click.echo("`-")


def _print_json(trial: Trial) -> None:
    from privet.cli.output import print_json, rfc3339  # noqa: PLC0415

    items = [
        {
            "option": option,
            "number": number + 1,
            "regex": text,
            "hits": trial.count(option, number),
            "failures": [
                {"id": hit.who, "time": None if hit.time is None else rfc3339(hit.time), "facts": hit.facts}
                for hit in (trial.hits[number] if option == "failregex" else ())
            ],
        }
        for option, texts in (
            ("prefregex", (trial.spec.prefregex,) if trial.spec.prefregex else ()),
            ("failregex", trial.spec.failregex),
            ("ignoreregex", trial.spec.ignoreregex),
        )
        for number, text in enumerate(texts)
    ]
    counts = {"lines": trial.total, **{fate: trial.lines[fate] for fate in FATES}}
    kept = {f"{fate}_lines": trial.kept[fate][:SHOWN] for fate in FATES}
    print_json("regex", items, **counts, dates=dict(trial.dates.most_common()), **kept)


def _when(seconds: float | None) -> str:
    return "" if seconds is None else time.strftime("%a %b %d %H:%M:%S %Y", time.localtime(seconds))


def _short(text: str) -> str:
    return text if len(text) <= 70 else f"{text[:67]}..."
