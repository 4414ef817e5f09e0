"""What is wrong with a filter, in terms that lead to the line of the file that says it."""

from __future__ import annotations


class FilterError(ValueError):
    """A filter that cannot work: `option` and `number` (from 0) say which of its texts is to blame."""

    def __init__(self, option: str, number: int, message: str) -> None:
        super().__init__(message)
        self.option, self.number, self.message = option, number, message

    def __str__(self) -> str:
        return f"{self.option} {self.number + 1}: {self.message}"
