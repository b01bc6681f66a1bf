"""Choice among known words, as it was typed: exact, by a unique prefix, or refused with the nearest one."""

import difflib
from collections.abc import Collection

import click


def chosen_word(kind: str, word: str, known: Collection[str], *, prefix: bool = True) -> str:
    """The known word that is meant.

    Raises:
        click.UsageError: there is none, or several begin so; the message names them.
    """
    if word in known:
        return word
    begun = sorted(one for one in known if word and one.startswith(word)) if prefix else []
    if len(begun) == 1:
        return begun[0]
    if begun:
        raise click.UsageError(f'"{word}" begins several: {", ".join(begun[:6])}; write more of the {kind}')
    raise click.UsageError(f'unknown {kind} "{word}"; {suggestion(word, known)}')


def suggestion(word: str, known: Collection[str]) -> str:
    """What may have been meant instead.

    >>> suggestion("rejeted", ["rejected", "too_large"]), suggestion("x", ["rejected"]), suggestion("x", [])
    ('did you mean "rejected"?', 'there are: rejected', 'there are none')
    """
    near = difflib.get_close_matches(word, known, 1)
    if near:
        return f'did you mean "{near[0]}"?'
    return f"there are: {', '.join(sorted(known)[:20])}" if known else "there are none"
