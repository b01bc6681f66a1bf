"""Exports of what Customer.io has: whichever form they come in, name, person, time and id are found."""

import io

import orjson
import pytest

from worker.history.exported import There, read_export

AT_MS = 1_764_115_200_000
EVENT = There("RENEWED", ("u-1", "ann@example.com"), AT_MS, "e-1")


def read(text, **columns):
    return list(read_export(io.BytesIO(text.encode() if isinstance(text, str) else text), columns))


@pytest.mark.parametrize("at", ["1764115200", "1764115200000", "2025-11-26T00:00:00Z", "2025-11-26 00:00:00 UTC"])
def test_a_csv_file_is_read_with_its_usual_names(at):
    """Byte order mark, seconds or milliseconds or text, addresses in any case."""
    head = "\N{ZERO WIDTH NO-BREAK SPACE}customer_id,email,event_name,timestamp,event_id\n"
    assert read(head.replace(",", ";") + f"u-1;ann@example.com;RENEWED;{at};e-1\n") == [EVENT]
    assert read(f"{head}u-1,Ann@Example.com,RENEWED,{at},e-1\n") == [EVENT]


def test_columns_of_other_names_are_mapped():
    """Those that are not mapped are looked for; a quoted cell may have line breaks."""
    text = 'who,what,when\nu-1,"two\nlines",1764115200\nu-2,RENEWED,\n'
    assert read(text, person="who", name="what", time="when") == [
        There("two\nlines", ("u-1",), AT_MS),
        There("RENEWED", ("u-2",)),
    ]


NESTED = {
    "customer_identifiers": {"id": "u-1", "email": "ann@example.com"},
    "name": "RENEWED",
    "timestamp": 1764115200,
    "data": {"event_id": "e-1"},
}


@pytest.mark.parametrize(
    "text",
    [
        orjson.dumps(NESTED),
        orjson.dumps(NESTED) + b"\n\n" + orjson.dumps(NESTED) + b"\n",
        orjson.dumps([NESTED], option=orjson.OPT_INDENT_2),
        orjson.dumps({"activities": [NESTED], "next": ""}, option=orjson.OPT_INDENT_2),
    ],
    ids=["object", "lines", "array", "activities"],
)
def test_json_is_read_in_every_form(text):
    """One object a line, an array, or what the App API answers; names may be paths."""
    assert set(map(str, read(text))) == {str(EVENT)}


@pytest.mark.parametrize(
    ("text", "columns", "said"),
    [
        ("a,b\n1,2\n", {}, "which column is the event's name? --map COLUMN=name; there are: a, b"),
        ("event,b\n1,2\n", {}, "which column is the person?"),
        (
            '{"name": "A", "a": {"b": 1}, "n": {}}',
            {},
            "--map COLUMN=person (or =email); there are: name, a.b, n",
        ),
        ("event,user_id\n1,2\n", {"time": "wen"}, "no column 'wen'; there are: event, user_id"),
        ("event,user_id,time\nE,u,yesterday\n", {}, "event 1: time = 'yesterday' is no time"),
        ("event,user_id\nE,u,more\n", {}, "line 2 has more cells than the head"),
        ('{"name": "E", "user_id": "u"}\nnot json\n', {}, "line 2 is not JSON"),
        ("event,user_id\rE,u\n", {}, "it is no CSV"),
        ("event,user_id,time\nE,u,99999999999999999999\n", {}, "is no time"),
        ("[1,", {}, "is not JSON: cut off, perhaps"),
    ],
)
def test_what_cannot_be_read_is_said(text, columns, said):
    """Where it is, and what to write."""
    with pytest.raises(ValueError, match=r".") as error:
        read(text, **columns)
    assert said in str(error.value)


def test_an_event_may_have_lists():
    """It is not taken for an answer that holds a list of events."""
    event = orjson.dumps(NESTED | {"tags": [{"name": "no event"}]})
    assert read(event + b"\n" + event) == [EVENT, EVENT]


def test_an_empty_file_has_no_events():
    """Nor has one with a head alone."""
    assert read("") == read("\n\n") == read("event,user_id\n") == []
