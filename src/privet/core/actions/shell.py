"""Commands with fail2ban's tags, rewritten so that a shell never reads what the tags stand for.

fail2ban puts the values into the text of a command. Here the text stays as the administrator wrote it: each tag
becomes a variable, quoted as the place asks where it stands, and the values go into the environment. The rules:
- a value is one word, or a part of one, wherever it stands; it is never a program, an option of the shell or code;
- the text is followed through quotes, substitutions and here-documents as POSIX describes them; where that cannot
  be done for sure, the command is refused;
- text of the log must not reach a program that takes it for code: `eval`, `sh -c`, `ssh`, `perl -e`, `sed`, ...
  An address or a number may.
"""

from __future__ import annotations

import re

import msgspec

from privet.core.actions.shell_words import Found, UnsafeError, Word, judge

NUMBERS = frozenset(
    {
        "bancount",
        "bantime",
        "failures",
        "ipfailures",
        "ipjailfailures",
        "jail.banned",
        "jail.banned_total",
        "jail.found",
        "jail.found_total",
        "restored",
        "time",
    }
)
"""Tags that are whole numbers."""

PLAIN = NUMBERS | {"br", "family", "fq-hostname", "ip", "ip-host", "ip-rev", "sh-hostname", "sp"}
"""Tags that nobody outside can choose freely: addresses are checked, names are this machine's."""

FOREIGN = frozenset({"fid", "ipjailmatches", "ipmatches", "matches"})
"""Tags that hold text of the log, as do all that begin with `F-`."""

_OWN = "raw-ticket"
_TAG = re.compile(rf"<(F-[A-Z0-9_-]+|{'|'.join(map(re.escape, sorted(PLAIN | FOREIGN | {_OWN})))})>")
_NAME = re.compile(r"\W")
_DELIMITER = re.compile(r"(-?)[ \t]*((?:'[^'\n]*'|\"[^\"\n]*\"|\\.|[^\s;&|<>()'\"\\$`])+)")
_LONGEST = 100_000  # characters of a command


class Script(msgspec.Struct, frozen=True):
    """A command for `sh -c`, and the tags whose values it wants in its environment."""

    text: str
    tags: tuple[str, ...] = ()

    @property
    def foreign(self) -> tuple[str, ...]:
        """The tags that hold text of the log."""
        return tuple(tag for tag in self.tags if is_foreign(tag))


def is_foreign(tag: str) -> bool:
    """Tell whether a tag holds text of the log."""
    return tag in FOREIGN or tag.startswith("F-")


def variable(tag: str) -> str:
    """Return the name of the variable that holds the value of a tag: as with fail2ban."""
    word = "F_" + tag[2:].lower() if tag.startswith("F-") else tag
    return "f2bV_" + _NAME.sub("_", word)


def compile_command(text: str) -> Script:
    """Return a command with its tags as variables. Raises UnsafeError."""
    if len(text) > _LONGEST or "\0" in text:
        raise UnsafeError("is too long" if len(text) > _LONGEST else "holds a NUL")
    if not _TAG.search(text):
        return Script(text)
    found = Found()
    try:
        written = _Rewriter(text, found).whole()
    except RecursionError:
        raise UnsafeError("is nested too deeply") from None
    foreign = next(filter(is_foreign, found.tags), None)
    if foreign and found.interpreter:
        raise UnsafeError(f"runs {found.interpreter}, which could take <{foreign}> for a program")
    return Script(written, tuple(found.tags))


class _Rewriter:
    """Walks through a command; `_out` is what is written instead."""

    def __init__(self, text: str, found: Found) -> None:
        self._text, self._found = text, found
        self._at = 0
        self._out: list[str] = []
        self._words: list[Word] = []
        self._word: Word | None = None
        self._redirected = False
        self._documents: list[tuple[str, bool, bool]] = []  # here-documents that begin with the next line

    def whole(self) -> str:
        """Rewrite all of it."""
        self._code(nested=False)
        if self._documents:
            raise UnsafeError("has a here-document without an end")
        return "".join(self._out)

    def _code(self, *, nested: bool) -> None:
        """Rewrite what stands outside of quotes, if nested up to the bracket that closes it."""
        depth = 0
        while self._at < len(self._text):
            sign = self._text[self._at]
            if self._tag('"${%s}"') or self._quoted(sign) or self._between(sign, nested=nested):
                continue
            if sign == "(":
                depth += 1
            elif sign == ")":
                if nested and not depth:
                    self._end_command()
                    self._take(1)
                    return
                depth = max(depth - 1, 0)
            if sign in "()":
                self._end_command()
            else:
                self._into_word(sign)
            self._take(1)
        if nested:
            raise UnsafeError("has a substitution without an end")
        self._end_command()

    def _quoted(self, sign: str) -> bool:
        """Rewrite a quotation or a substitution that begins here."""
        if sign == "\\":
            self._escaped()
        elif sign == "'":
            self._single()
        elif sign == '"':
            self._into_word()
            self._take(1)
            self._double('"')
        elif sign == "$":
            self._dollar(quoted=False)
        elif sign == "`":
            self._backtick(quoted=False)
        else:
            return False
        return True

    def _between(self, sign: str, *, nested: bool) -> bool:
        """Rewrite what stands between words."""
        if sign in " \t":
            self._end_word(nested=nested)
        elif sign in ";&|\n":
            self._end_word(nested=nested)
            self._end_command()
            if sign == "\n":
                self._take(1)
                while self._documents:
                    self._document(*self._documents.pop(0))
                return True
        elif sign in "<>":
            self._redirection()
            return True
        elif sign == "#" and self._word is None:
            end = self._text.find("\n", self._at)
            self._take((end if end >= 0 else len(self._text)) - self._at)
            return True
        else:
            return False
        self._take(1)
        return True

    def _redirection(self) -> None:
        if self._word and self._word.text.isdecimal():
            self._word = None  # the number of a descriptor
        self._end_word(nested=False)
        if self._text.startswith("<<<", self._at):
            self._take(3)
        elif self._text.startswith("<<", self._at):
            found = _DELIMITER.match(self._text, self._at + 2)
            if found is None or _TAG.search(found[0]):
                raise UnsafeError("has a here-document whose end cannot be told")
            plain = re.sub(r"['\"\\]", "", found[2])
            self._documents.append((plain, plain != found[2], bool(found[1])))
            self._take(found.end() - self._at)
        else:
            self._take(2 if self._text[self._at + 1 : self._at + 2] in ("&", ">", "|") else 1)
            self._redirected = True

    def _escaped(self) -> None:
        """Take a backslash with what it quotes; before a tag it has nothing to quote."""
        if self._tag_at(self._at + 1):
            self._at += 1
            return
        if self._text[self._at + 1 : self._at + 2] != "\n":
            self._into_word(self._text[self._at + 1 : self._at + 2])
        self._take(2)

    def _single(self) -> None:
        """Rewrite up to the next single quote, within which nothing is special."""
        self._into_word()
        self._take(1)
        while self._at < len(self._text):
            if self._tag("'\"${%s}\"'"):
                continue
            sign = self._text[self._at]
            self._take(1)
            if sign == "'":
                return
            self._into_word(sign)
        raise UnsafeError("has a single quote without its other half")

    def _double(self, end: str) -> None:
        """Rewrite up to the end of double quotes."""
        while self._at < len(self._text):
            if self._text[self._at] == end:
                self._take(1)
                return
            self._expanded('$`"\\\n')
        raise UnsafeError("has a double quote without its other half")

    def _expanded(self, special: str) -> None:
        """Rewrite what comes next where only tags, `$`, back quotes and a backslash before `special` signs matter."""
        sign = self._text[self._at]
        if self._tag("${%s}"):
            return
        if sign == "\\":
            self._escaped_in_quotes(special)
        elif sign == "$":
            self._dollar(quoted=True)
        elif sign == "`":
            self._backtick(quoted=True)
        else:
            self._into_word(sign)
            self._take(1)

    def _escaped_in_quotes(self, special: str) -> None:
        after = self._text[self._at + 1 : self._at + 2]
        if after and after in special:
            self._into_word("" if after == "\n" else after)
            self._take(2)
            return
        self._into_word("\\")
        if self._tag_at(self._at + 1):
            self._out.append("\\")  # so that it quotes itself and not the variable
        self._take(1)

    def _dollar(self, *, quoted: bool) -> None:
        rest = self._text[self._at + 1 : self._at + 3]
        if self._tag_at(self._at + 1):
            raise UnsafeError("has a tag right after a $")
        if rest[:1] == "'" and not quoted:
            raise UnsafeError("quotes with $'...', which shells read in different ways")
        self._into_word("\0")
        if rest == "((" and (end := self._arithmetic_end()):
            self._arithmetic(end)
        elif rest[:1] == "(":
            self._take(2)
            self._nested()
        elif rest[:1] == "{":
            self._parameter()
        else:
            self._take(1)

    def _nested(self) -> None:
        """Rewrite a command substitution."""
        outside = self._words, self._word, self._redirected, self._documents
        self._words, self._word, self._redirected, self._documents = [], None, False, []
        self._code(nested=True)
        if self._documents:
            raise UnsafeError("has a here-document without an end")
        self._words, self._word, self._redirected, self._documents = outside

    def _parameter(self) -> None:
        """Take `${...}`, of which only the simple forms are the same everywhere."""
        end = self._text.find("}", self._at)
        inside = self._text[self._at + 2 : end]
        if end < 0 or _TAG.search(inside) or re.search(r"[\"'`\\{]|\$\(", inside):
            raise UnsafeError("has ${...} with tags, quotes or commands in it")
        self._take(end + 1 - self._at)

    def _arithmetic_end(self) -> int:
        """Return where `$((` ends, 0 if it is a subshell inside of a substitution."""
        depth = 0
        for place in range(self._at + 1, len(self._text)):
            depth += {"(": 1, ")": -1}.get(self._text[place], 0)
            if depth == 1 and self._text[place] == ")" and place > self._at + 2:
                return place + 2 if self._text[place + 1 : place + 2] == ")" else 0
        return 0

    def _arithmetic(self, end: int) -> None:
        """Rewrite a computation: some shells run what is in the value of a variable, but not in a number."""
        while self._at < end:
            tag = self._tag_at(self._at)
            if tag and tag[0] not in NUMBERS:
                raise UnsafeError(f"computes with <{tag[0]}>, which is no number")
            if not self._tag("${%s}"):
                inner = self._text.startswith("$(", self._at) and not self._text.startswith("$((", self._at)
                if inner or self._text[self._at] in "'\"`\\":
                    self._computed()
                else:
                    self._take(1)

    def _computed(self) -> None:
        """Rewrite a command substitution inside of a computation."""
        if self._text[self._at] == "`":
            self._backtick(quoted=True)
        elif self._text[self._at] == "$":
            self._take(2)
            self._nested()
        else:
            raise UnsafeError("has quotes inside of a computation")

    def _backtick(self, *, quoted: bool) -> None:
        """Write a substitution in back quotes as `$(...)`, whose inside needs no other quoting."""
        end = self._at + 1
        while end < len(self._text) and self._text[end] != "`":
            end += 2 if self._text[end] == "\\" else 1
        if end >= len(self._text):
            raise UnsafeError("has a back quote without its other half")
        inside = re.sub(r"\\([$`\\\"])" if quoted else r"\\([$`\\])", r"\1", self._text[self._at + 1 : end])
        self._into_word("\0")
        self._out.append(f"$( {_Rewriter(inside, self._found).whole()}\n)")
        self._at = end + 1

    def _document(self, delimiter: str, quoted: bool, indented: bool) -> None:  # noqa: FBT001  as they were stored
        """Rewrite the body of a here-document."""
        body = self._at
        while True:
            if body >= len(self._text):
                raise UnsafeError("has a here-document without an end")
            end = self._text.find("\n", body) + 1 or len(self._text) + 1
            line = self._text[body : end - 1]
            if (line.lstrip("\t") if indented else line) == delimiter:
                break
            body = end
        if quoted and _TAG.search(self._text[self._at : body]):
            raise UnsafeError("has a tag in a here-document that is quoted as a whole")
        word, self._word = self._word, Word()
        while self._at < body:
            if quoted:
                self._take(1)
            else:
                self._expanded("$`\\\n")
        self._word = word
        self._take(len(line))

    def _tag_at(self, place: int) -> tuple[str, int] | None:
        """Return the tag that stands somewhere, and where it ends."""
        found = _TAG.match(self._text, place)
        if found is None:
            return None
        if found[1] == _OWN:
            raise UnsafeError(f"asks for <{_OWN}>, which is fail2ban's own")
        return found[1], found.end()

    def _tag(self, form: str) -> bool:
        """Write a variable for a tag that stands here."""
        tag = self._tag_at(self._at)
        if tag is None:
            return False
        name, self._at = tag
        self._found.tags[name] = None
        self._into_word("\0")
        if self._word and is_foreign(name):
            self._word.foreign = name
        self._out.append(form % variable(name))
        return True

    def _take(self, count: int) -> None:
        """Write some characters as they stand."""
        self._out.append(self._text[self._at : self._at + count])
        self._at += count

    def _into_word(self, text: str = "") -> None:
        if self._word is None:
            self._word = Word(target=self._redirected)
            self._redirected = False
        self._word.text += text

    def _end_word(self, *, nested: bool) -> None:
        word, self._word = self._word, None
        if word is None:
            return
        if word.target and word.foreign:
            raise UnsafeError(f"writes to a file that <{word.foreign}> names")
        if nested and word.text == "case":
            raise UnsafeError("has `case` inside of a substitution")
        if not word.target and (self._words or not word.leads):
            self._words.append(word)

    def _end_command(self) -> None:
        self._end_word(nested=False)
        words, self._words, self._redirected = self._words, [], False
        if words:
            judge(words, self._found)
