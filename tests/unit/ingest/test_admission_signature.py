"""Who may post a webhook."""

import hashlib
import hmac
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.integrations import Source
from config.settings import Settings
from worker.errors import SenderError
from worker.ingest.admission import RETRIES_S, check_signature

# Purchasely's public test vector.
VECTOR_SECRET = b"foobar"
VECTOR_TIMESTAMP = b"1698322022"
VECTOR_BODY = b'{"a_random_key":"a_random_value_ad"}'
VECTOR_SIGNATURE = b"f3c2a452e9ea72f41107321aeaf7999f1054148866a710c9b23f9f501785e2a4"

HEADER = st.none() | st.binary(max_size=200)


def source(*secrets, tolerance_s=0):
    return Source("app", secrets, (), tolerance_s)


def sign(secret, timestamp, body):
    return hmac.new(secret, timestamp + body, hashlib.sha256).hexdigest().encode()


def refused(known, signature, timestamp, body, now_s=0.0):
    with pytest.raises(SenderError) as caught:
        check_signature(known, signature, timestamp, body, now_s)
    assert caught.value.status == 401
    return caught.value.detail


def test_the_public_vector_is_accepted():
    """The one example that Purchasely publishes."""
    check_signature(source(VECTOR_SECRET), VECTOR_SIGNATURE, VECTOR_TIMESTAMP, VECTOR_BODY, 0.0)


def test_capitals_and_blanks_around_the_hex_do_not_matter():
    """Hex is hex."""
    check_signature(source(VECTOR_SECRET), b" %b " % VECTOR_SIGNATURE.upper(), VECTOR_TIMESTAMP, VECTOR_BODY, 0.0)


@pytest.mark.parametrize("signed_with", [b"old", b"new"])
def test_any_of_several_secrets_is_good(signed_with):
    """A secret is rotated without a moment in which webhooks are refused."""
    check_signature(source(b"old", b"new"), sign(signed_with, b"1", b"{}"), b"1", b"{}", 0.0)


@pytest.mark.parametrize("secret", [b"", b"\xff\xfe", "gëheim".encode(), b"x" * 200])
def test_odd_secrets_work(secret):
    """Empty ones are kept out by the configuration; the others are bytes like any."""
    check_signature(source(secret), sign(secret, b"1", b"{}"), b"1", b"{}", 0.0)


def test_without_a_secret_nothing_is_good():
    """A source for upstream services only takes no webhook, not even one signed with nothing."""
    for secret in (b"", b"None", b"foobar"):
        refused(source(), sign(secret, b"1", b"{}"), b"1", b"{}")


@pytest.mark.parametrize(
    ("signature", "timestamp", "body"),
    [
        (None, VECTOR_TIMESTAMP, VECTOR_BODY),
        (b"", VECTOR_TIMESTAMP, VECTOR_BODY),
        (VECTOR_SIGNATURE, None, VECTOR_BODY),
        (VECTOR_SIGNATURE, b"", VECTOR_BODY),
        (VECTOR_SIGNATURE, b"1698322023", VECTOR_BODY),
        (VECTOR_SIGNATURE, b"%b,%b" % (VECTOR_TIMESTAMP, VECTOR_TIMESTAMP), VECTOR_BODY),
        (b"%b,%b" % (VECTOR_SIGNATURE, VECTOR_SIGNATURE), VECTOR_TIMESTAMP, VECTOR_BODY),
        (VECTOR_SIGNATURE[:-1], VECTOR_TIMESTAMP, VECTOR_BODY),
        (VECTOR_SIGNATURE + b"0", VECTOR_TIMESTAMP, VECTOR_BODY),
        (b"sha256=" + VECTOR_SIGNATURE, VECTOR_TIMESTAMP, VECTOR_BODY),
        (VECTOR_SIGNATURE, VECTOR_TIMESTAMP, VECTOR_BODY + b" "),
        (VECTOR_SIGNATURE, VECTOR_TIMESTAMP, VECTOR_BODY.replace(b"_ad", b"_ae")),
        # the deprecated header's recipe: it does not cover the body
        (sign(VECTOR_SECRET, b"foobar" + VECTOR_TIMESTAMP, b""), VECTOR_TIMESTAMP, VECTOR_BODY),
    ],
)
def test_anything_else_is_refused(signature, timestamp, body):
    """One byte more, less or other."""
    detail = refused(source(VECTOR_SECRET), signature, timestamp, body)
    assert "random" not in detail
    assert VECTOR_SIGNATURE[:8].decode() not in detail


@given(HEADER, HEADER, st.binary(max_size=50))
def test_no_header_breaks_the_check(signature, timestamp, body):
    """Whatever is there, the answer is 401."""
    refused(source(b"s3cret", b"other"), signature, timestamp, body)


@given(st.binary(min_size=1, max_size=100), st.binary(min_size=1, max_size=20), st.binary(max_size=300))
def test_it_is_the_hmac_of_timestamp_and_body(secret, timestamp, body):
    """For any bytes, invalid UTF-8 and NUL among them."""
    check_signature(source(b"other", secret), sign(secret, timestamp, body), timestamp, body, 0.0)


def test_of_any_age_when_asked():
    """0 takes a signature of any age."""
    check_signature(source(b"s"), sign(b"s", b"1", b"{}"), b"1", b"{}", 2e9)


def test_all_of_purchaselys_retries_fit_in_the_default():
    """Each carries its first timestamp perhaps; as documented, and with the most that their jitter adds."""
    told_s = [20, 26, 46, 116, 296, 670, 1346, 2456, 4140, 6600, 10_080, 14_700, 20_820, 28_620, 38_520]
    told_s += [50_700, 65_640, 83_640, 105_060, 130_440, 160_140, 194_580, 234_360, 279_960, 331_920]
    assert 20.4 * 86_400 < sum(told_s) < 20.5 * 86_400
    # Sidekiq, whose back-off this is: n^4 + 15 + up to 30 times (n + 1)
    worst_s = sum(n**4 + 15 + 30 * (n + 1) for n in range(25))
    assert sum(told_s) < worst_s < RETRIES_S <= Settings.model_fields["dedup_window_s"].default
    known, sent_s = source(b"s", tolerance_s=None), 1_700_000_000
    for after_s in accumulate(told_s):
        timestamp = b"%d" % sent_s
        check_signature(known, sign(b"s", timestamp, b"{}"), timestamp, b"{}", sent_s + after_s + 60.0)


def test_what_was_captured_is_too_old_once_its_id_is_forgotten():
    """Unless a source says otherwise; until then the request is a duplicate."""
    known, timestamp = source(b"s", tolerance_s=None), b"1700000000"
    signature = sign(b"s", timestamp, b"{}")
    check_signature(known, signature, timestamp, b"{}", 1_700_000_000.0 + RETRIES_S)
    assert "1814400 s" in refused(known, signature, timestamp, b"{}", 1_700_000_001.0 + RETRIES_S)
    check_signature(known, signature, timestamp, b"{}", 1_700_000_001.0 + RETRIES_S, RETRIES_S + 1)


@pytest.mark.parametrize("timestamp", [b"2023-11-14T22:13:20Z", b"soon", b"1e9"])
def test_a_timestamp_in_another_form_is_taken_unless_asked(timestamp):
    """It is signed, so Purchasely wrote it; that it will always be seconds is written nowhere."""
    check_signature(source(b"s", tolerance_s=None), sign(b"s", timestamp, b"{}"), timestamp, b"{}", 1_700_000_000.0)


@pytest.mark.parametrize("timestamp", [b"1700000000", b"1699999700", b"1700000300", b"1700000000123"])
def test_a_fresh_timestamp_is_within_the_tolerance(timestamp):
    """Seconds, as in the vector, or milliseconds."""
    known = source(b"s", tolerance_s=300)
    check_signature(known, sign(b"s", timestamp, b"{}"), timestamp, b"{}", 1_700_000_000.0)


@pytest.mark.parametrize(
    "timestamp", [b"1699999699", b"1700000301", b"0", b"-1700000000", b"soon", b"1e9", b"9" * 40, b"\xb2"]
)
def test_another_timestamp_is_not(timestamp):
    """Too old, too new, or no time at all, though the signature fits."""
    known = source(b"s", tolerance_s=300)
    assert "300 s" in refused(known, sign(b"s", timestamp, b"{}"), timestamp, b"{}", 1_700_000_000.0)
