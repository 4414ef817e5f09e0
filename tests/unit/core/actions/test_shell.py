"""Tests of core.actions.shell: what commands become, and which are refused."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from privet.core.actions.shell import Script, compile_command, variable
from privet.core.actions.shell_words import UnsafeError

SHELLS = [shell for shell in ("dash", "bash") if shutil.which(shell)]
HOSTILE = "$(touch /nowhere) `id` ' \" \\ ; * > & | $HOME\n  ~!id #"


def run(shell: str, text: str, values: dict[str, str]) -> str:
    """Run a command as an action would be; return what it prints."""
    script = compile_command(text)
    environment = {"PATH": os.defpath, **{variable(tag): values[tag] for tag in script.tags}}
    done = subprocess.run([shell, "-c", script.text], env=environment, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("printf '[%s]' <matches> end", "[{}][end]"),
        ("printf '[%s]' a<matches>b", "[a{}b]"),
        ('printf "[%s]" "a <matches> b"', "[a {} b]"),
        ("printf '%s' 'a <matches> b'", "a {} b"),
        ("printf '%s' \"it's <matches>\"", "it's {}"),
        ("printf '%s' 'say \"<matches>\"'", 'say "{}"'),
        ('printf "%s" "`printf "%s" "<matches>"`"', "{}"),
        ('printf "%s" "`printf "%s" \\"<matches>\\"`"', "{}"),
        ("printf '%s' \"$(printf '%s' '<matches>')\"", "{}"),
        ("printf '%s' \"$(printf '%s' \"$(printf '%s' <matches>)\")\"", "{}"),
        ('x=<matches>; printf "%s" "$x"', "{}"),
        ('x="`printf "%s" "<matches>" # it\'s a comment`"; printf "%s" "$x"', "{}"),
        ("printf '%s' \\<matches>", "{}"),
        ('printf "%s" "\\<matches>"', "\\{}"),
        ('printf "%s" "\\\\<matches>"', "\\{}"),
        ("cat <<END\nit's \"<matches>\"\nEND\nprintf '%s' <matches>", 'it\'s "{}"\n{}'),
        ("cat <<-END\n\t<matches>\n\tEND", "{}\n"),
        ("cat <<END\n`printf '%s' '<matches>'`\nEND", "{}\n"),
        ("cat <<'END' && printf '%s' <matches>\nit's $(true) `\nEND", "it's $(true) `\n{}"),
        ("printf x # it's <matches>\nprintf '%s' '<matches>'", "x{}"),
        ("printf '%s' x#<matches>", "x#{}"),
        ("(printf '%s' <matches>) | (cat; printf y)", "{}y"),
        ("case a in a) printf '%s' <matches>;; esac", "{}"),
        ("if true; then printf '%s' <matches> 2>&1; fi", "{}"),
        ("for x in <matches> b; do printf '[%s]' \"$x\"; done", "[{}][b]"),
        ("printf '%s' \"${HOME:-a}<matches>\"", "a{}"),
        ('printf "%s" "$((1 + (2)))<matches>"', "3{}"),
        ("printf '%s' \"$( (printf '%s' <matches>) )\"", "{}"),
        ("printf '%s' '<unknown>' \"<matches>\"", "<unknown>{}"),
    ],
)
def test_a_value_is_taken_as_it_is_wherever_its_tag_stands(shell: str, text: str, printed: str) -> None:
    assert run(shell, text, {"matches": HOSTILE}) == printed.format(HOSTILE, HOSTILE)


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("printf '%s' $((<failures> + 1))", "8"),
        ("printf '%s' \"$((<failures> * $(printf '%s' <failures>)))\"", "49"),
        ("sh -c \"printf '%s' <failures>\"", "7"),
        ("eval 'printf <failures>'", "7"),
        ("printf 7 | sed -n 's/<failures>/x/p'", "x"),
        ("printf 'a<br>b<sp>c'", "a\nb c"),
    ],
)
def test_numbers_and_addresses_may_stand_where_code_stands(shell: str, text: str, printed: str) -> None:
    assert run(shell, text, {"failures": "7", "br": "\n", "sp": " "}) == printed


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('eval "x <matches>"', "runs eval, which could take <matches> for a program"),
        ('x="<F-USER>"; eval "$x"', "runs eval, which could take <F-USER> for a program"),
        ('sh -c "x <F-USER>"', "runs sh, which could"),
        ('/bin/bash -lc "x <fid>"', "runs bash, which could"),
        ("printf '<matches>' | sh", "runs sh, which could"),
        ("printf '<matches>' | sudo -u x /bin/dash", "runs dash, which could"),
        ("find . -exec sh -c '<matches>' ';'", "runs sh, which could"),
        ('ssh fw "block <F-USER>"', "runs ssh, which could"),
        ("su -c 'x <F-USER>'", "runs su, which could"),
        ("printf '<matches>' | at now", "runs at, which could"),
        ("trap '<matches>' EXIT", "runs trap, which could"),
        ('x="<F-X>"; $x', "runs a program that a variable names, which could"),
        ('perl -e "print q(<F-USER>)"', "gives <F-USER> to perl"),
        ("timeout 5 python3.11 -c \"print('<F-USER>')\"", "gives <F-USER> to python3.11"),
        ('sed -i "/<F-USER>/d" file', "gives <F-USER> to sed"),
        ("awk '/<matches>/'", "gives <matches> to awk"),
        ("<F-USER> x", "would run a program that <F-USER> names"),
        ("if <F-USER>; then x; fi", "would run a program that <F-USER> names"),
        ("LC_ALL=C <F-USER>", "would run a program that <F-USER> names"),
        ('x=$("<F-USER>")', "would run a program that <F-USER> names"),
        ("printf x > /tmp/<F-USER>", "writes to a file that <F-USER> names"),
        ("printf x 2>> <F-USER>", "writes to a file that <F-USER> names"),
        ("echo $((<F-PORT> + 1))", "computes with <F-PORT>, which is no number"),
        ('echo $(( "<failures>" ))', "has quotes inside of a computation"),
        ("echo $<failures>", "has a tag right after a $"),
        ("echo $'<ip>'", "quotes with $'...'"),
        ("echo ${x:-<ip>}", "has ${...} with tags"),
        ('echo ${x:-"}"} <ip>', "has ${...} with tags, quotes"),
        ("cat <<'E'\n<ip>\nE", "has a tag in a here-document that is quoted"),
        ("cat <<E <ip>", "has a here-document without an end"),
        ("cat <<E\n<ip>\n", "has a here-document without an end"),
        ("echo $(cat <<E\n<ip>)", "has a here-document without an end"),
        ("cat <<$(E) <ip>", "has a here-document whose end cannot be told"),
        ("echo '<ip>", "has a single quote without its other half"),
        ('echo "<ip>', "has a double quote without its other half"),
        ("echo `<ip>", "has a back quote without its other half"),
        ("echo $(<ip>", "has a substitution without an end"),
        ("x=$(case a in a) echo <ip>;; esac)", "has `case` inside of a substitution"),
        ("echo <raw-ticket>", "asks for <raw-ticket>"),
        ("echo \0 <ip>", "holds a NUL"),
        ("$(" * 5000 + "<ip>", "is nested too deeply"),
        ("x" * 100_001, "is too long"),
    ],
)
def test_what_cannot_be_made_safe_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(UnsafeError) as refused:
        compile_command(text)

    assert reason in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        '/usr/local/bin/notify.sh "<matches>"',
        'bash /usr/local/bin/notify.sh "<matches>"',
        'perl /usr/local/bin/notify.pl --user "<F-USER>"',
        'perl -e "print 1" "<F-USER>" && python3 -c "import sys" x "<F-USER>"',
        'ssh fw "block <ip>"',
        'printf "%b" "<matches>" | mail -s "ssh" root',
        'notify ssh "<matches>"',
        "grep -q su x && echo '<matches>'",
        'id=$(printf "%s" "<fid>" | sed -e "s/x/y/"); sed -i "/^$id$/d" list',
    ],
)
def test_what_usual_actions_do_is_not_refused(text: str) -> None:
    assert "f2bV_" in compile_command(text).text


def test_a_command_without_tags_stays_as_it_is() -> None:
    assert compile_command("echo '$x <HOST> <unknown>' <<E\n`") == Script("echo '$x <HOST> <unknown>' <<E\n`")


def test_variables_are_called_as_with_fail2ban() -> None:
    assert [variable(tag) for tag in ("ip", "ip-rev", "jail.found", "F-USER", "F-ALT-X")] == [
        "f2bV_ip",
        "f2bV_ip_rev",
        "f2bV_jail_found",
        "f2bV_F_user",
        "f2bV_F_alt_x",
    ]


def test_a_script_knows_which_of_its_tags_hold_text_of_the_log() -> None:
    script = compile_command("echo <ip> <fid> <F-USER> <matches> <time> <ip>")

    assert script.tags == ("ip", "fid", "F-USER", "matches", "time")
    assert script.foreign == ("fid", "F-USER", "matches")
