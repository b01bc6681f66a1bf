"""Stream entry ids (`ms-seq`) and their order, which is not that of their text."""


def order(entry_id: str | bytes) -> tuple[int, int]:
    """An entry id as the stream orders it.

    >>> order("9-0") < order(b"10-0") < order("10-2") < order("10-11")
    True
    """
    text = entry_id.decode() if isinstance(entry_id, bytes) else entry_id
    ms, _, seq = text.partition("-")
    return int(ms), int(seq or 0)


def received_ms(entry_id: str) -> int:
    """When an event was stored, in Unix milliseconds."""
    return int(entry_id.partition("-")[0])
