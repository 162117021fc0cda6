"""A terminal, as much of one as the live view uses: what a person would see after some bytes."""

from __future__ import annotations

import re

_CODE = re.compile(r"\x1b\[(\??)([\d;]*)([A-Za-z])")


class Terminal:
    """Rows without end (the scrollback is kept), wrapping at `width`, wrapping anew when it shrinks."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.rows = [""]
        self.row = self.column = 0
        self.cursor_shown = True

    def feed(self, text: str) -> None:
        at = 0
        while at < len(text):
            code = _CODE.match(text, at)
            if code:
                self._control(code[1], code[2], code[3])
                at = code.end()
            else:
                self._character(text[at])
                at += 1

    def resize(self, width: int) -> None:
        rows: list[str] = []
        row = self.row
        for number, content in enumerate(self.rows):
            if number == self.row:
                row = len(rows) + max(0, len(content.rstrip()) - 1) // width
            rows += [content[start : start + width] for start in range(0, max(1, len(content.rstrip())), width)]
        self.rows, self.row, self.width = rows, row, width
        self.column = len(rows[row])

    @property
    def text(self) -> list[str]:
        return [row.rstrip() for row in self.rows]

    def _control(self, private: str, number: str, letter: str) -> None:
        if private:
            assert (number, letter) in (("25", "l"), ("25", "h")), f"unknown: {number}{letter}"
            self.cursor_shown = letter == "h"
        elif letter == "A":
            self.row -= int(number or 1)
            assert self.row >= 0, "the cursor went above what was ever printed"
        elif letter == "K":
            assert number == "2"
            self.rows[self.row] = ""
        elif letter == "J":
            assert number in ("", "0")
            self.rows[self.row] = self.rows[self.row][: self.column]
            del self.rows[self.row + 1 :]
        else:
            assert letter == "m", f"unknown: {number}{letter}"

    def _character(self, character: str) -> None:
        if character == "\r":
            self.column = 0
        elif character == "\n":
            self.row += 1
            if self.row == len(self.rows):
                self.rows.append("")
        else:
            assert character.isprintable(), f"a control character reached the terminal: {character!r}"
            if self.column == self.width:
                self.column = 0
                self._character("\n")
            row = self.rows[self.row].ljust(self.column)
            self.rows[self.row] = row[: self.column] + character + row[self.column + 1 :]
            self.column += 1
