"""Masks of personal data: what they hide, what they leave, and that none leads back."""

import string
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from config.catalogue import catalogue
from tests.support.payloads import payload
from worker.console.access.masking import PLAIN_FIELDS, Mask
from worker.purchasely.documented import FIELDS
from worker.purchasely.person import person_names

MASK = Mask(b"k" * 32)
LETTERS = st.text(string.ascii_letters + string.digits + "-_@.", min_size=6, max_size=40)
NAMES = st.text().filter(lambda name: name not in FIELDS and not catalogue().user_property(name))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=12,
)


@given(st.text(min_size=1))
def test_a_mask_never_contains_the_value(text):
    """Whatever it is: short, of the mask's own characters, without letters."""
    assert text.casefold() not in MASK.value(text).casefold()


@given(st.text(min_size=3))
def test_a_mask_shows_one_character_at_most(text):
    """The first, and that only of a value that has many more."""
    shown = MASK.value(text).partition("·")[0].strip("•*")
    assert shown in {"", text[0], "hidden", "masked"}


@given(LETTERS, LETTERS)
def test_two_values_have_two_masks(one, other):
    """The same value has one mask, and two have two (within 33 million)."""
    assert MASK.value(one) == MASK.value(one)
    if one.casefold() != other.casefold():
        assert MASK.value(one) != MASK.value(other)


def test_a_mask_needs_the_key_to_be_guessed():
    """With another key the mask is another, so that a list of customers does not tell who it is."""
    assert MASK.value("customer-0101") != Mask(b"x" * 32).value("customer-0101")


def test_an_e_mail_address_has_one_mask_however_it_is_written():
    """As it names one person everywhere; neither the name nor the company is seen."""
    mask = MASK.value("anna@example.com")
    assert mask[1:] == MASK.value("Anna@Example.COM")[1:]
    assert "example" not in mask


def test_nothing_is_nothing():
    """An empty value has an empty mask: there is nothing to hide."""
    assert MASK.value("") == ""


def test_a_payload_keeps_what_names_nobody():
    """Code, times and prices are read; every identifier of its person is masked."""
    raw = payload("RENEWAL_DISABLED", customerio_user_email="anna@example.com", device_id="device-1234")
    masked = MASK.payload(raw)
    assert masked["event_name"] == "RENEWAL_DISABLED"
    assert {name: masked[name] for name in raw if name in PLAIN_FIELDS} == {
        name: raw[name] for name in raw if name in PLAIN_FIELDS
    }
    text = orjson.dumps(masked).decode()
    for name in person_names(raw):
        assert name not in text
    assert "device-1234" not in text


def test_fields_that_nobody_documents_are_masked_with_their_names():
    """An upstream service may put a person anywhere: also an e-mail address under a field that should hold none."""
    masked = MASK.payload({"anna@example.com": {"name": "Anna Muster", "old": 41}, "plan": "of anna@example.com"})
    text = orjson.dumps(masked).decode()
    for secret in ("anna", "Muster", "41", "example"):
        assert secret not in text


def leaves(value: Any) -> list[str]:
    """Texts and numbers of a JSON value, and the names of its fields."""
    match value:
        case dict():
            return [one for name, inner in value.items() for one in (name, *leaves(inner))]
        case list():
            return [one for inner in value for one in leaves(inner)]
        case None | bool():
            return []
        case _:
            return [str(value)]


@given(JSON)
def test_no_value_of_a_payload_passes(value):
    """Of any JSON under a field that is not known: what comes out has the shape, and none of the values."""
    masked = MASK.payload({"x": value})
    (inside,) = masked.values()
    for one in leaves(value):
        assert not one or one not in leaves(inside)


def test_an_address_that_holds_a_known_value_is_one_value():
    """Neither what is before the known part is shown, nor the host."""
    masked = MASK.text("refused: joanna.b@example.com", ["anna.b"])
    assert masked == f"refused: {MASK.value('joanna.b@example.com')}"


@example("H@0000050000DV000", "AA", "AMC")
@given(LETTERS, st.text(string.ascii_letters + " :'\"", max_size=40), st.text(string.ascii_letters + " :", max_size=40))
def test_a_message_loses_the_values_that_are_known(value, before, after):
    """Customer.io's messages quote identifiers."""
    masked = MASK.text(f"{before}{value.upper()}{after}{value}", [value])
    assert value.casefold() not in masked.casefold()


@pytest.mark.parametrize(
    "secret",
    [
        "anna.muster+x@mail.example.com",
        "6f1c3a52-9b0d-4c8e-8d7a-2f1e0a9b8c7d",
        "01JD2V3K4M5N6P7Q8R9S0TVWXY",
        "deadbeefdeadbeef",
        "1000000123456789",
    ],
)
def test_a_message_loses_what_looks_like_an_identifier(secret):
    """Though nobody said that it is one."""
    assert secret not in MASK.text(f'profile "{secret}" is invalid (code 422)')
    assert MASK.text(f'profile "{secret}" is invalid (code 422)').endswith("is invalid (code 422)")


def test_a_short_value_is_masked_as_a_word():
    """`42` is in 422 by chance."""
    masked = MASK.text("person 42 got 422", ["42"])
    assert masked.endswith(" got 422")
    assert not masked.startswith("person 42")
