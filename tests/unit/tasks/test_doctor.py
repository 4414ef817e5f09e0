"""The doctor says what is missing, and has a remedy for each of it."""

from __future__ import annotations

import os
import time
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from privet.adapters.canary import Held, Result, keep_result
from privet.config.loader import parse
from privet.core.masking.leaks import Finder
from privet.tasks.doctor import LEVELS, Doctor, Setup

if TYPE_CHECKING:
    from privet.adapters.store.host import Level
    from privet.config.model import Config
    from privet.tasks.doctor import Check

ROOT = Path(__file__).parents[3]
GOOD = '[source.web]\npipe = true\n[jail.leech]\nsource = "web"\n[daemon]\nuser = "root"\n'


class Patient:
    """A machine below a directory, on which everything is as it should be."""

    def __init__(self, root: Path) -> None:
        self.root, self.runtime, self.state = root, root / "run/privet", root / "var/lib/privet"
        self.config: Config | str = parse(GOOD, "privet.toml")
        self.level: Level | None = "file"
        self.answer: dict[str, object] | None = {"warnings": []}
        device = root.stat().st_dev
        self.write("proc/self/mountinfo", f"1 1 {os.major(device)}:{os.minor(device)} / /run rw - tmpfs tmpfs rw\n")
        self.write("proc/sys/net/unix/max_dgram_qlen", "4096\n")
        self.write("proc/sys/kernel/core_pattern", "|/bin/false\n")
        self.write("etc/systemd/system/privet.service", (ROOT / "packaging/privet.service").read_text())
        self.runtime.mkdir(parents=True)
        keep_result(self.runtime, Result(time=time.time(), answered=200, seen=True))

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def checks(self) -> dict[str, Check]:
        setup = Setup(self.config, self.runtime, self.state, self.level)
        doctor = Doctor(setup, Finder(), lambda: self.answer, self.root)
        return {check.name: check for check in doctor.checks()}

    def warnings(self) -> dict[str, str]:
        return {
            check.name: f"{check.says} | {check.remedy}" for check in self.checks().values() if check.state == "warning"
        }


@pytest.fixture
def patient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Patient:
    monkeypatch.setattr("privet.tasks.doctor.clock_is_synchronised", lambda: True)
    monkeypatch.setattr("privet.tasks.doctor.shutil.which", lambda _name, path: path)
    monkeypatch.setattr("privet.tasks.doctor.os.geteuid", lambda: 0)
    return Patient(tmp_path)


def test_where_all_is_well_there_is_no_warning(patient: Patient) -> None:
    assert patient.warnings() == {}
    assert len(patient.checks()) == 15


KEY = "age1g8kaeq54h0fsty4lkjkxfwr0mptfqd57sclq6chf2um6ust9d5eqfyfly3"


def test_an_escrow_is_told_of_and_that_nothing_is_sealed(patient: Patient) -> None:
    assert patient.checks()["escrow"].says.startswith("none: ")

    patient.config = parse(f"{GOOD}[escrow]\nrecipient = '{KEY}'\n", "privet.toml")
    assert patient.warnings()["escrow"] == "the daemon does not seal | privet status"
    patient.answer = {"warnings": [], "escrow": {"problem": "the disk is full"}}
    assert patient.warnings()["escrow"] == "the disk is full | privet status"
    patient.answer = {"warnings": [], "escrow": {"problem": None}}
    assert patient.checks()["escrow"].says.startswith("who has the secret key")


@pytest.mark.parametrize(
    ("name", "file", "text", "said"),
    [
        ("socket queue", "proc/sys/net/unix/max_dgram_qlen", "10\n", "drops log lines"),
        ("core dumps", "proc/sys/kernel/core_pattern", "core\n", "go to core"),
        ("swap", "proc/swaps", "Filename\n/swapfile file 1 0 -2\n", "/swapfile"),
        ("swap", "sys/power/resume", "8:1\n", "hibernation"),
        ("systemd unit", "etc/systemd/system/privet.service", "[Service]\nLimitCORE=0\n", "lacks MemorySwapMax=0"),
        ("day keys", "proc/self/mountinfo", "1 1 0:0 / / rw - ext4 x rw\n", "not on tmpfs"),
        ("web servers", "etc/nginx/nginx.conf", "error_log syslog:server=unix:/run/privet/e.sock;", "1 settings"),
    ],
)
def test_what_is_missing_is_told_with_a_remedy(patient: Patient, name: str, file: str, text: str, said: str) -> None:
    (patient.root / "proc").mkdir(exist_ok=True)
    patient.write(file, text)

    warnings = patient.warnings()

    assert list(warnings) == [name]
    assert said in warnings[name]
    assert warnings[name].partition(" | ")[2]


def test_a_configuration_that_cannot_be_used_is_told(patient: Patient) -> None:
    patient.config = "no such file"
    assert "no such file" in patient.warnings()["configuration"]


def test_sources_that_leave_addresses_on_disk_are_named(patient: Patient) -> None:
    patient.config = parse(GOOD.replace("pipe = true", 'path = "/var/log/a.log"'), "privet.toml")
    assert "files of: web" in patient.warnings()["configuration"]


def test_a_daemon_that_does_not_run_or_complains_is_told(patient: Patient) -> None:
    patient.answer = None
    assert "does not run" in patient.warnings()["daemon"]
    patient.answer = {"warnings": ["x", "y"]}
    assert "2 warnings" in patient.warnings()["daemon"]


def test_a_missing_user_is_told(patient: Patient) -> None:
    patient.config = parse(GOOD.replace('"root"', '"no-such-user"'), "privet.toml")
    assert "adduser --system" in patient.warnings()["user"]


@pytest.mark.parametrize("level", LEVELS)
def test_what_the_key_protects_against_is_said(patient: Patient, level: Level) -> None:
    patient.level = level
    says = patient.checks()["key of the bans at rest"].says
    assert says.startswith(LEVELS[level])
    assert ("out of backups" in says) == (level in ("file", "credential"))


@pytest.mark.parametrize(
    ("kind", "level"),
    [(None, "file"), ("5a1c6a86df9d4096b1d5a65e0862f19a", "credential"), ("0c7cc07b117645919c4b0bea08bc20fe", "tpm")],
)
def test_before_the_first_start_it_is_said_where_the_key_will_be(
    patient: Patient, kind: str | None, level: Level
) -> None:
    patient.level, patient.answer = "memory", None
    if kind:
        patient.write("etc/credstore.encrypted/privet.host", b64encode(bytes.fromhex(kind) + bytes(32)).decode())
    says = patient.checks()["key of the bans at rest"].says
    assert says.startswith(f"none yet; the next start makes it {LEVELS[level]}")
    assert ("out of backups" in says) == (level != "tpm")

    patient.config = parse(f'{GOOD}[store]\npersist = "none"\n', "privet.toml")
    assert patient.checks()["key of the bans at rest"].says == LEVELS["memory"]


def test_a_key_that_may_not_be_seen_and_one_of_an_earlier_version_are_said(patient: Patient) -> None:
    patient.level = None
    assert "not root" in patient.warnings()["key of the bans at rest"]
    patient.level = "file"
    patient.write("var/lib/privet/key", "")
    assert "earlier version" in patient.warnings()["key of the bans at rest"]


def test_a_canary_that_failed_or_is_old_is_told(patient: Patient) -> None:
    leak = Held(path="/var/log/x", spelling="plain")
    keep_result(patient.runtime, Result(time=time.time(), answered=200, seen=False, held=[leak]))
    assert "BLIND" in patient.warnings()["canary"]
    assert "LEAK: 1 file " in patient.warnings()["canary"]
    keep_result(patient.runtime, Result(time=0.0, answered=200, seen=True))
    assert "older than a day" in patient.warnings()["canary"]
    (patient.runtime / "canary.json").unlink()
    assert "none was sent" in patient.warnings()["canary"]
