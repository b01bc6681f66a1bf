"""What strangers wrote, on its way to a terminal or a log."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.process.plain import plain, plain_json, plain_lines

ANY_TEXT = st.text(st.characters(exclude_categories=()))


@given(ANY_TEXT)
def test_a_line_has_visible_characters_alone(text):
    """Whatever the text is: no control character, none that changes the direction, none that shows nothing."""
    assert plain(text).isprintable()
    assert all(line.isprintable() for line in plain_lines(text))


@given(st.text(st.characters(categories=("L", "N", "P", "S"))))
def test_what_is_visible_stays(text):
    """Names in any script are shown as they are."""
    assert plain(text) == text


@given(st.recursive(ANY_TEXT, lambda inner: st.lists(inner) | st.dictionaries(ANY_TEXT, inner), max_leaves=5))
def test_a_json_document_means_the_same(value):
    """Programs read what was meant; a terminal gets nothing that it would act on."""
    document = json.dumps(value, ensure_ascii=False)
    shown = plain_json(document)
    assert shown.isprintable()
    assert json.loads(shown) == value


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]52;c;cm0gLXJm\x07", r"\x1b]52;c;cm0gLXJm\x07"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("\x1b[2J\x1b[H", r"\x1b[2J\x1b[H"),
        ("\x9b2J", r"\x9b2J"),
        ("a\nwrong  b\r\tc", r"a\nwrong  b\r\tc"),
        ("user\u202egpj.exe", r"user\u202egpj.exe"),
        ("ad\u200bmin\ufeff", r"ad\u200bmin\ufeff"),
        ("a\u2028b\x85c", r"a\u2028b\x85c"),
        ("half \ud83d", r"half \ud83d"),
    ],
)
def test_what_a_terminal_acts_on_is_shown_as_its_escape(text, shown):
    """The clipboard, the title, a cleared screen, a forged row, text that runs backwards."""
    assert plain(text) == shown
