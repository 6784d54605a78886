"""Text of format=flowed as the lines that its writer meant (RFC 3676). Pure, one pass over the lines."""

from __future__ import annotations

SIGNATURE_MARK = "-- "


def unflowed(text: str, *, delete_space: bool) -> str:
    r"""``text`` with its soft line ends taken out, quotations with their marks, stuffed spaces taken off.

    >>> unflowed("One \nline.\n> Two \n> lines.\n-- \nOlive\n", delete_space=False)
    'One line.\n> Two lines.\n-- \nOlive\n'
    """
    lines: list[str] = []
    open_line: list[str] = []
    open_depth = 0

    def close() -> None:
        if open_line:
            lines.append(_marked(open_depth, "".join(open_line)))
            open_line.clear()

    for line in text.split("\n"):
        words = line.lstrip(">")
        depth = len(line) - len(words)
        if not words.startswith(" >"):
            words = words.removeprefix(" ")  # stuffed
        # A blank line ends a paragraph, whatever the line above it says.
        if depth != open_depth or words in (SIGNATURE_MARK, ""):
            close()
        open_depth = depth
        soft = words.endswith(" ") and words != SIGNATURE_MARK
        open_line.append(words[:-1] if soft and delete_space else words)
        if not soft:
            close()
    close()
    return "\n".join(lines)


def _marked(depth: int, words: str) -> str:
    return f"{'>' * depth} {words}".rstrip() if depth else words
