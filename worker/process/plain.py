"""Plain text: what strangers wrote, made harmless for a terminal and a log, where it could act or forge a line."""

import re

# Whatever is no visible character: control characters (ESC begins a terminal's commands, a newline another line), the
# ones that change the direction of text or show nothing, halves of pairs. Spaces other than the usual one count too.
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]")


def plain(text: object) -> str:
    r"""A text as one line of visible characters; each other one as its escape.

    >>> plain("SUBSCRIPTION\nforged"), plain("\x1b]52;c;cm0=\x07"), plain("user\u202e42"), plain("Zoë 猫")
    ('SUBSCRIPTION\\nforged', '\\x1b]52;c;cm0=\\x07', 'user\\u202e42', 'Zoë 猫')
    """
    line = str(text)
    return line if line.isprintable() else "".join(map(_visible, line))


def plain_lines(text: str) -> list[str]:
    r"""A text whose newlines are meant, as lines of visible characters.

    >>> plain_lines("a\nb\x1b[2J\n")
    ['a', 'b\\x1b[2J']
    """
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    return [plain(line) for line in lines]


def plain_json(document: str) -> str:
    r"""A JSON document that means the same, with escapes for all that a terminal acts on (JSON has them below U+0020).

    >>> plain_json('{"name": "a\x9b2J\u202eb"}')
    '{"name": "a\\u009b2J\\u202eb"}'
    """
    if document.isprintable():
        return document
    return _BEYOND_ASCII.sub(lambda found: _json_visible(found[0]), document).replace("\x7f", "\\u007f")


def _visible(char: str) -> str:
    if char.isprintable():
        return char
    return _SHORT.get(char) or ascii(char)[1:-1]


def _json_visible(char: str) -> str:
    if char.isprintable():
        return char
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
