"""What `privet.toml` says about how the administrator is told: `[notify]`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from privet.config.firewall import command
from privet.config.values import at_least, duration

if TYPE_CHECKING:
    from collections.abc import Mapping

    from privet.config.values import Decoder

_LEAST = 60.0  # seconds: who is told more often stops reading

SETTINGS: Mapping[str, Decoder] = {"command": command, "every": at_least(_LEAST, duration)}
