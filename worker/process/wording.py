"""Numbers and lengths of time in words, for the terminal and the console."""


def count(number: float) -> str:
    """A number for people.

    >>> count(1234567)
    '1,234,567'
    """
    return f"{number:,.0f}"


def several(number: int, one: str, many: str = "") -> str:
    """A number of things for people.

    >>> several(1, "letter"), several(2_000, "letter"), several(0, "person", "people")
    ('1 letter', '2,000 letters', '0 people')
    """
    return f"{count(number)} {one if number == 1 else many or one + 's'}"


def span(milliseconds: float) -> str:
    """A length of time in its largest fitting unit, with two digits at least.

    >>> span(250), span(4_200), span(38_700), span(90_000), span(5_400_000), span(200_000_000)
    ('250 ms', '4.2 s', '39 s', '1 min 30 s', '1 h 30 min', '2 d 7 h')
    """
    if milliseconds < 1000:
        return f"{milliseconds:.0f} ms"
    if milliseconds < 9_950:
        return f"{milliseconds / 1000:.1f} s"
    if milliseconds < 59_500:
        return f"{milliseconds / 1000:.0f} s"
    seconds = max(60, int(milliseconds // 1000))
    for large, size_s, small, part_s in (("d", 86_400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if seconds >= size_s:
            rest = seconds % size_s // part_s
            return f"{seconds // size_s} {large}" + (f" {rest} {small}" if rest else "")
    raise AssertionError("a minute and more is covered above")


def per_s(rate: float) -> str:
    """A rate for people.

    >>> per_s(0), per_s(2.345), per_s(1234)
    ('0/s', '2.3/s', '1,234/s')
    """
    return f"{rate:.1f}/s" if 0 < rate < 10 else f"{rate:,.0f}/s"
