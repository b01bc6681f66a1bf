"""Who may call the simulator, and where they belong."""

import base64

import pytest

from worker.simulator.accounts import Account, Allowance, Host, credentials, read_account


def encode(text: str, *, url_safe: bool = False) -> str:
    raw = text.encode()
    return (base64.urlsafe_b64encode(raw) if url_safe else base64.b64encode(raw)).decode()


@pytest.mark.parametrize("url_safe", [False, True])
def test_both_alphabets(url_safe):
    """Credentials are read in the standard and in the URL-safe alphabet."""
    header = "Basic " + encode("site:k?>~ÿÿ>>", url_safe=url_safe)
    assert ("-" in header or "_" in header) is url_safe
    assert credentials(header) == ("site", "k?>~ÿÿ>>")


@pytest.mark.parametrize("header", ["", "Basic", "Basic !!!", "Bearer x", "Basic " + encode("no colon"), "Basic /w=="])
def test_no_credentials(header):
    """Anything else names nobody."""
    assert credentials(header) is None


def test_read_account():
    """A workspace is written as site id, key and, if it is not the US, region."""
    assert read_account("s:k", 1) == Account("s", "k", "us", 1)
    assert read_account("s:k:eu", 2) == Account("s", "k", "eu", 2)


@pytest.mark.parametrize("text", ["", "s", "s:", ":k", "s:k:fr"])
def test_account_that_cannot_be_read(text):
    """A workspace without a key, or of another region, is an error that says how one is written."""
    with pytest.raises(ValueError, match="SITE_ID:API_KEY"):
        read_account(text, 1)


US, EU = Account("s", "k", "us"), Account("s", "k", "eu")
PATH = "/api/v2/batch"


@pytest.mark.parametrize(
    ("host", "account", "detour"),
    [
        (Host(), EU, None),
        (Host(region="us"), US, None),
        (Host(region="us", wrong_region="redirect"), EU, (301, "https://track-eu.customer.io" + PATH)),
        (
            Host(region="us", wrong_region="redirect", redirect_status=307, redirect_base="http://127.0.0.1:1"),
            EU,
            (307, "http://127.0.0.1:1" + PATH),
        ),
        (Host(region="us"), EU, None),
        (Host(region="us", wrong_region="401"), EU, (401, "")),
        (Host(region="eu", wrong_region="proxy"), US, (401, "")),
    ],
)
def test_regions(host, account, detour):
    """The US host forwards an EU workspace in one of three ways; the EU host refuses a US one."""
    assert host.detour(account, PATH) == detour
    assert host.detour(account, "/api/v1/accounts/region") is None


def test_allowance():
    """So many requests a second are allowed, and again in the next."""
    now = [10.0]
    allowance = Allowance(2, lambda: now[0])
    assert [allowance.spend() for _ in range(3)] == [True, True, False]
    now[0] = 11.0
    assert allowance.spend()
    assert Allowance(0, lambda: now[0]).spend()
