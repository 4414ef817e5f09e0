"""Hand-made configurations, each as hostile as a real one can become. Paths are below the configuration's folder."""

from __future__ import annotations

from textwrap import dedent

Layout = dict[str, str]

ACTION = """
[Definition]
actionban = ban <ip> <name> <port>/<protocol> <blocktype>
actionunban = unban <ip>
[Init]
port = 0:65535
protocol = tcp
blocktype = REJECT
"""


def layout(**files: str) -> Layout:
    """Make a layout; `__` stands for `/` and `_dot_` for `.` in the names, which are keyword arguments."""
    named = {name.replace("__", "/").replace("_dot_", "."): dedent(text) for name, text in files.items()}
    return {"fail2ban.conf": "[Definition]\n", "action.d/act.conf": ACTION} | named


JAIL = """
[DEFAULT]
enabled = true
filter = one
logpath = /var/log/one.log
action = act[port="22"]
maxretry = 5
findtime = 10m
[a]
"""

LAYOUTS: dict[str, Layout] = {
    "nested includes with their .local siblings": layout(
        jail_dot_conf=JAIL,
        filter_dot_d__one_dot_conf="""
            [INCLUDES]
            before = common.conf
                     sub/deep.conf
            after = last.conf
            [Definition]
            failregex = %(prefix)s from <HOST>%(suffix)s
            ignoreregex = %(deeper)s
        """,
        filter_dot_d__common_dot_conf="[DEFAULT]\nprefix = ^common\nsuffix = C$\n",
        filter_dot_d__common_dot_local="[DEFAULT]\nprefix = ^local\n",
        filter_dot_d__sub__deep_dot_conf="[INCLUDES]\nbefore = ../base.conf\n[DEFAULT]\ndeeper = %(base)s deep\n",
        filter_dot_d__base_dot_conf="[DEFAULT]\nbase = base\nsuffix = B$\n",
        filter_dot_d__base_dot_local="[DEFAULT]\nbase = base of here\n",
        filter_dot_d__last_dot_conf="[DEFAULT]\nsuffix = last$\n",
        filter_dot_d__last_dot_local="[Definition]\nmaxlines = 3\n",
    ),
    "known options over several files": layout(
        jail_dot_conf=JAIL + "bantime = 1h\n",
        jail_dot_local="[a]\nbantime = %(known/bantime)s 5m\nfailregex = %(known/failregex)s\n   ^jail <HOST>\n",
        filter_dot_d__one_dot_conf="[Definition]\nfailregex = ^first <HOST>\n   ^second <HOST>\nignoreregex = i\n",
        filter_dot_d__one_dot_local="[Definition]\nfailregex = %(known/failregex)s\n   ^third <HOST>\n",
    ),
    "drop-in directories and their order": layout(
        jail_dot_conf=JAIL,
        jail_dot_d__20_dot_conf="[a]\nmaxretry = 20\nfindtime = 20\n",
        jail_dot_d__10_dot_conf="[a]\nmaxretry = 10\nbantime = 10\nfindtime = 10\n",
        jail_dot_local="[a]\nbantime = 30\nlogencoding = utf-8\n[b]\nfilter = one\n",
        jail_dot_d__10_dot_local="""
            [a]
            logencoding = ascii
            [DEFAULT]
            ignoreip = 192.0.2.1 198.51.100.0/24,2001:db8::1
        """,
        filter_dot_d__one_dot_conf="[Definition]\nfailregex = a <HOST>\nignoreregex = a\n",
        filter_dot_d__one_dot_d__x_dot_conf="[Definition]\nfailregex = x <HOST>\n",
        filter_dot_d__one_dot_d__y_dot_local="[Definition]\nignoreregex = %(known/ignoreregex)s|y\n",
        filter_dot_d__one_dot_local="[Definition]\nmaxlines = 7\n",
    ),
    "who wins: brackets, jail, [Init] or [Definition]": layout(
        jail_dot_conf=JAIL
        + """
            filter = one[usedns=no, maxlines=9, datepattern=brackets, prefregex="^b", mode=x]
            usedns = yes
            maxlines = 2
            datepattern = jail
            prefregex = ^j
            [b]
            filter = one[failregex="^brackets <HOST>", ignoreregex='x y']
            failregex = ^jail <HOST>
            ignoreregex =
            journalmatch = A=b
            [c]
            filter = two
            maxlines = 4
            prefregex = ^jail
            datepattern = jail
        """,
        filter_dot_d__one_dot_conf="""
            [Definition]
            failregex = ^<mode> %(mode)s <HOST>
            prefregex = ^definition
            datepattern = definition
            journalmatch = C=d + E=f
            mode = definition
            [Init]
            mode = init
        """,
        filter_dot_d__two_dot_conf="""
            [Definition]
            failregex = ^x <known/maxlines> <HOST>
            [Init]
            maxlines = 8
            prefregex = ^init
            datepattern = init
            usedns = raw
        """,
    ),
    "conditional sections and families": layout(
        jail_dot_conf=JAIL + 'action = fam[port="1,2"]\n         fam[port=3, name=a-extra, blocktype=DROP]\n',
        filter_dot_d__one_dot_conf="[Definition]\nfailregex = a <HOST>\n",
        action_dot_d__fam_dot_conf="""
            [Definition]
            actionban = <tool> add <set> <ip> <blocktype> <port>
            actionstart = <tool> make <set> <family-of>
            actionunban =
            norestored = 1
            actionstart_on_demand = no
            [Init]
            tool = t4 <lock>
            lock = -w
            set = set-<name>
            blocktype = REJECT
            [Init?family=inet6]
            tool = t6 <lock>
            set = set6-<name>
        """,
        action_dot_d__fam_dot_local="[Init?family=inet6]\nblocktype = REJECT6\n[Init]\nlock = -W\n",
    ),
    "include loops": layout(
        jail_dot_conf=JAIL,
        filter_dot_d__one_dot_conf="[INCLUDES]\nbefore = two.conf\n[Definition]\nfailregex = one <HOST>\n",
        filter_dot_d__two_dot_conf="[INCLUDES]\nbefore = three.conf\n[Definition]\nignoreregex = two\n",
        filter_dot_d__three_dot_conf="[INCLUDES]\nafter = one.conf\n  two.conf\n[Definition]\nmaxlines = 3\n",
    ),
    "a file that includes itself": layout(
        jail_dot_conf=JAIL,
        filter_dot_d__one_dot_conf="[INCLUDES]\nbefore = one.conf\n[Definition]\nfailregex = one <HOST>\n",
    ),
    "missing files": layout(
        jail_dot_conf="[INCLUDES]\nbefore = paths-nowhere.conf\n"
        + JAIL
        + "[b]\nfilter = nowhere\n[c]\naction = nowhere[x=1]\n",
        filter_dot_d__one_dot_conf="""
            [INCLUDES]
            before = nowhere.conf
                     /nowhere/absolute.conf

                     optional.local
            [Definition]
            failregex = a <HOST>
        """,
    ),
    "odd white space": layout(
        jail_dot_conf=(
            "[DEFAULT]\n\tenabled=on\nlogpath:/a.log\n\t/b.log tail\n\n\t/c.log head\n   \n"
            "filter   =   one  \n"
            "[a] trailing words\n  maxretry = 3\n  findtime=\n    7\n bantime : 1 h\n"
            "action=\n  act\n\n\n  act[name=x]\n"
        ),
        filter_dot_d__one_dot_conf=(
            "[Definition]\nfailregex =\n   ^a <HOST>\n\n\n     ^b  <HOST>\n \t^c\t<HOST>\t\n[ Init ]\nx = 1\n"
        ),
    ),
    "comments": layout(
        jail_dot_conf=(
            "# first\n; second\n[DEFAULT] ; third\nenabled = true ; fourth\nfilter = one ;fifth\n"
            "[a]\n# bantime = 1\n  # indented\nmaxretry = 4 # no comment\nmaxmatches = 2 ; but this\n"
            "ignorecommand = 1;no comment\nlogencoding = ; nothing is left\n"
            "logpath = /a.log\n# between\n  /b.log ; c\n;x\n  /c.log\n"
            "action = act[port=1]\n"
        ),
        filter_dot_d__one_dot_conf=(
            "[Definition]\nfailregex = ^a#b;c <HOST>\n  # ^commented <HOST>\n"
            "  ^d ; e <HOST>\n\n  ;^f\n  ^g <HOST> # kept\n"
        ),
    ),
    "unicode": layout(
        jail_dot_conf=(
            "[DEFAULT]\nenabled = true\nfilter = fü\n[jäil-日本]\nlogpath = /var/log/ß ä.log\naction = act[port=ü]\n"
        ),
        filter_dot_d__fü_dot_conf=(
            "[Definition]\nfailregex = ^Ünbekannt „<F-USER>\u00a0</F-USER>“ 日本 <HOST>\u2028\u00a0\n"
            "ÄX = y\nignoreregex = %(äx)s\n"
        ),
    ),
    "carriage returns": layout(
        jail_dot_conf=JAIL.replace("\n", "\r\n"),
        filter_dot_d__one_dot_conf="[Definition]\r\nfailregex = ^a <HOST>\r\n   ^b <HOST>\r\n",
    ),
    "references to other sections": layout(
        jail_dot_conf=JAIL
        + """
            maxmatches = %(maxretry)s
            findtime = %(default/findtime)s
            ignoreip = %(b/nets)s %(b/maxretry)s
            ignorecommand = %(__name__)s %(b/__name__)s
            bantime = %(known/maxretry)s
            [b]
            __name__ = named
            nets = 192.0.2.0/24
            logpath = %(a/logpath)s
            action = act[port="%(a/port)s", name=%(__name__)s]
            port = 1
        """.replace("            ", ""),
        jail_dot_local="[DEFAULT]\nport = 99\n[DEFAULT]\nother = 1\n",
        filter_dot_d__one_dot_conf="""
            [DEFAULT]
            word = default
            [Definition]
            failregex = ^%(other/word)s %(other/only)s %(default/word)s <other/only> <default/word> <nowhere/x> <HOST>
            [other]
            only = o-%(word)s
        """,
    ),
    "brackets": layout(
        jail_dot_conf=JAIL
        + """
            filter = one[a='1, "2"', b="]x[", c=, d=plain text ,e="  spaced  "][f=g]
            action = act[port="1,2", x='"']act2 act[name=a2]
                     act[name=b,
                         port="3
                     4"] [protocol=udp]
                     act[ name=c , port=5 ]
                     act[]
                     py.py[opt="v", actname=snake]   other.py
        """.replace("            ", ""),
        jail_dot_local="""
            [b]
            action = act[actname=one, name=other]
                     act[actname=two, actionban="<ip> of <name>", norestored=1]
        """,
        filter_dot_d__one_dot_conf="[Definition]\nfailregex = ^<a>|<b>|<c>|<d>|<e>|<f> <HOST>\n",
        action_dot_d__act_dot_local="[Definition]\nactionstop = stop <known/port> <actname> <x>\n",
    ),
    "tags inside tags": layout(
        jail_dot_conf=JAIL + "filter = one[mode=hard, logtype=journal]\n[b]\nbackend = systemd\n",
        filter_dot_d__one_dot_conf="""
            [Definition]
            failregex = <lt_<logtype>/prefix> <cmn-<mode>> <cmn-<<which>>> <F-USER>x</F-USER> <HOST> <unknown_<mode>>
                        ^<known/mode> <section-x/y> <maxretry> <bantime> <logpath>
            cmn-hard = H <word>
            cmn-soft = S <word>
            which = mode
            word = w
            mode = soft
            [lt_file]
            prefix = file <mode>
            [lt_journal]
            prefix = journal %(__name__)s
        """,
    ),
    "tags of every ban stay": layout(
        jail_dot_conf=JAIL + 'action = act[matches="none", timeout=5, bantime=7, ip=x]\n',
        filter_dot_d__one_dot_conf="[Definition]\nfailregex = a <HOST>\n",
        action_dot_d__act_dot_local="""
            [Definition]
            actionban = <matches> <ipmatches> <timeout> <bantime> <findtime> <ip> <F-USER> <br>
            actionunban = %%s <ip> %%(x)s
        """,
    ),
    "no filter, no action": layout(
        jail_dot_conf="""
            [a]
            enabled = yes
            logpath = /x.log
            failregex = ^<HOST> a
                        ^<HOST> b
            journalmatch = _SYSTEMD_UNIT=x.service
                           _COMM="two words" + _UID=0
            [b]
            enabled = 1
            [c]
            enabled = maybe
        """,
    ),
    "numbers and truth that are none": layout(
        jail_dot_conf=JAIL + "maxmatches =  7 \nignoreself = perhaps\nbantime.increment = ON\nmaxlines = many\n",
        filter_dot_d__one_dot_conf="[Definition]\nfailregex = a <HOST>\n[Init]\nlogtype =\n",
    ),
    "capitals": layout(
        jail_dot_conf=JAIL.replace("maxretry", "MaxRetry") + "Filter = one[Mode=X]\nIGNOREIP = %(MAXRETRY)s\n",
        filter_dot_d__one_dot_conf="[Definition]\nFailRegex = ^%(mode)s <Mode> <mode> <HOST>\nmode = d\n",
    ),
    "everything about longer bans": layout(
        jail_dot_conf=JAIL
        + """
            bantime = -1
            bantime.increment = true
            bantime.factor = 2
            bantime.formula = ban.Time * (1<<(ban.Count if ban.Count<20 else 20)) * banFactor
            bantime.multipliers = 1 2 4
            bantime.maxtime = 5w
            bantime.rndtime = 2048
            bantime.overalljails = false
            ignorecache = key="<ip>"
            logtimezone = UTC+0200
        """.replace("            ", ""),
        filter_dot_d__one_dot_conf="[Definition]\nfailregex = a <HOST>\n",
    ),
    "a file that is not UTF-8 is left out": layout(
        jail_dot_conf=JAIL,
        filter_dot_d__one_dot_conf="[Definition]\nfailregex = a <HOST>\n",
        filter_dot_d__one_dot_local="[Definition]\nfailregex = \udcff <HOST>\n",
    ),
}

REFUSED: dict[str, tuple[Layout, str, str]] = {
    "an option twice": (
        layout(jail_dot_conf=JAIL, filter_dot_d__one_dot_conf="[Definition]\nfailregex = a\nfailregex = b\n"),
        "filter.d/one.conf:3",
        "option 'failregex' comes twice in one section",
    ),
    "a section twice": (
        layout(jail_dot_conf=JAIL, filter_dot_d__one_dot_conf="[Definition]\na = b\n[Init]\n[Definition]\n"),
        "filter.d/one.conf:4",
        "section [Definition] comes twice in one file",
    ),
    "no section": (
        layout(jail_dot_conf=JAIL, filter_dot_d__one_dot_conf="failregex = a\n"),
        "filter.d/one.conf:1",
        "an option stands before the first [section]",
    ),
    "a byte order mark": (
        layout(jail_dot_conf=JAIL, filter_dot_d__one_dot_conf="\ufeff[Definition]\nfailregex = a\n"),
        "filter.d/one.conf:1",
        "an option stands before the first [section]",
    ),
    "neither section nor option": (
        layout(jail_dot_conf=JAIL, filter_dot_d__one_dot_conf="[Definition]\nfailregex = a\nfoo\n"),
        "filter.d/one.conf:3",
        "neither a [section] nor an option: 'foo'",
    ),
    "a reference to nothing": (
        layout(jail_dot_conf=JAIL + "bantime = %(nothing)s\n", filter_dot_d__one_dot_conf="[Definition]\n"),
        "jail.conf:10",
        "%(nothing)s refers to an option that nothing sets",
    ),
    "a section in capitals": (
        layout(jail_dot_conf=JAIL + "bantime = %(DEFAULT/maxretry)s\n", filter_dot_d__one_dot_conf="[Definition]\n"),
        "jail.conf:10",
        "%(DEFAULT/maxretry)s refers to an option that nothing sets",
    ),
    "a reference to itself": (
        layout(
            jail_dot_conf=JAIL,
            filter_dot_d__one_dot_conf="[Definition]\nfailregex = %(a)s\na = %(b)s\nb = x %(a)s\n",
        ),
        "filter.d/one.conf:4",
        "%(…)s is nested more than 10 deep; does it refer to itself?",
    ),
    "known options that know themselves": (
        layout(
            jail_dot_conf=JAIL,
            filter_dot_d__one_dot_conf="[Definition]\nfailregex = a <HOST>\n",
            filter_dot_d__one_dot_d__x_dot_conf="[Definition]\nfailregex = %(known/failregex)s x\n",
            filter_dot_d__one_dot_local="[Definition]\nfailregex = %(known/failregex)s y\n",
        ),
        "filter.d/one.d/x.conf:2",
        "%(…)s is nested more than 10 deep; does it refer to itself?",
    ),
    "a lone percent sign": (
        layout(jail_dot_conf=JAIL, filter_dot_d__one_dot_conf="[Definition]\nfailregex = a\n   100% <HOST>\n"),
        "filter.d/one.conf:3",
        "after '%' must come '%' or '(name)s'; write '%%' for the character",
    ),
    "a tag that leads to itself": (
        layout(
            jail_dot_conf=JAIL,
            filter_dot_d__one_dot_conf="[Definition]\nfailregex = a\n  <a>\na = <b>\nb = x<a>\n",
        ),
        "filter.d/one.conf",
        "refers to itself by",
    ),
    "a journalmatch that does not end": (
        layout(
            jail_dot_conf=JAIL,
            filter_dot_d__one_dot_conf="[Definition]\nfailregex = a\njournalmatch = A=1\n  B='2\n",
        ),
        "filter.d/one.conf:4",
        "journalmatch: No closing quotation",
    ),
    "an include that is refused": (
        layout(
            jail_dot_conf=JAIL,
            filter_dot_d__one_dot_conf="[INCLUDES]\nbefore = two.conf\n[Definition]\nfailregex = a\n",
            filter_dot_d__two_dot_conf="[DEFAULT]\n= x\n",
        ),
        "filter.d/two.conf:2",
        "neither a [section] nor an option: 'x'",
    ),
    "brackets that do not close in an action": (
        layout(jail_dot_conf=JAIL + "action = %(x)s\nx = act[a=%(y)s]\n", filter_dot_d__one_dot_conf="[Definition]\n"),
        "jail.conf:11",
        "%(y)s refers to an option that nothing sets",
    ),
    "an action that leads to itself": (
        layout(
            jail_dot_conf=JAIL,
            filter_dot_d__one_dot_conf="[Definition]\nfailregex = a <HOST>\n",
            action_dot_d__act_dot_local="[Definition]\nactionban = <x>\n[Init]\nx = <y>\ny = <x>\n",
        ),
        "action.d/act.local",
        "refers to itself by",
    ),
}
"""Where fail2ban gives up as a whole: the jail `a` is refused, with this place and message."""
