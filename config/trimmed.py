"""Trimming: a text without the spaces around it, and without the characters there that nobody sees."""

# Spaces, controls and joiners, and letters that are drawn as nothing: a BOM or a zero-width space comes along when a
# text is copied. What is between two visible characters stays: emoji and several scripts need it.
_UNSEEN = "".join(
    chr(point)
    for points in (
        range(0x21),
        range(0x7F, 0xA1),
        (0xAD, 0x61C, 0x115F, 0x1160, 0x1680, 0x180E, 0x2800, 0x3000, 0x3164, 0xFEFF, 0xFFA0),
        range(0x2000, 0x2010),
        range(0x2028, 0x2030),
        range(0x205F, 0x2070),
        range(0xFFF9, 0xFFFC),
    )
    for point in points
)


def trimmed(text: str) -> str:
    r"""The text without surrounding spaces, controls and invisible characters.

    >>> trimmed(" user_42\ufeff"), trimmed("\u200b"), trimmed("\x00")
    ('user_42', '', '')
    """
    text = text.strip()
    if text.isascii() and "!" <= text < "\x7f":  # as almost every text is
        return text
    return text.strip(_UNSEEN)
