"""Everything that decides: pure functions and data, no clock, no files, no sockets.

At the top stands the path: `engine` feeds lines of a `source` to the `rules` of `jails` and hands out `verdicts`.
`memory` is what it remembers of earlier bans, `guard` says who is never banned, `wire` what pipes tell the daemon.
What it is made of is in rooms, in the order in which a line passes them:

- `parsing`: bytes become columns; `filters`: lines that a failregex matches
- `addresses`: clients, networks, and by what they are known again
- `masking`: the same lines without addresses
- `rows`: what is known of the rows of a block
- `windows`, `swarms`, `manners`: the detectors: how much of one, how many of all, how well behaved
- `bans`, `actions`: what follows from a verdict, and for how long
- `reports`, `watch`: what is told of it, and what would else go wrong without a word
"""
