"""Payload fields that are never sent to Customer.io: credentials, and overrides of a message's addresses."""

from typing import Final

# Exact names, compared without case, `_`, `-` and `.`: tokens_remaining or receipt_number are nobody's secret. Google's
# purchase_token lets its bearer act on the purchase; a receipt does so at Apple.
_CREDENTIALS: Final = frozenset(
    [
        "token",
        "accesstoken",
        "refreshtoken",
        "idtoken",
        "authtoken",
        "bearertoken",
        "sessiontoken",
        "apitoken",
        "purchasetoken",
        "secret",
        "clientsecret",
        "sharedsecret",
        "webhooksecret",
        "apisecret",
        "secretkey",
        "privatekey",
        "apikey",
        "password",
        "passwd",
        "passphrase",
        "pwd",
        "credential",
        "credentials",
        "authorization",
        "cookie",
        "setcookie",
        "signature",
        "xpurchaselyrequestsignature",
        "receipt",
        "receiptdata",
        "appreceipt",
        "appstorereceipt",
        "latestreceipt",
        "latestreceiptinfo",
        "transactionreceipt",
        "signedpayload",
        "signedtransaction",
        "signedtransactioninfo",
        "signedrenewalinfo",
    ]
)
_IGNORED: Final = str.maketrans("", "", "_-. ")

# Customer.io reads these event attributes as overrides of a message's addresses (reference: 2.2, event).
ADDRESSES: Final = frozenset({"recipient", "from_address", "reply_to"})


def is_credential(field: str) -> bool:
    """Whether a field is named like a credential.

    >>> is_credential("purchase_token"), is_credential("tokens_remaining")
    (True, False)
    """
    return field.translate(_IGNORED).lower() in _CREDENTIALS


def is_never_sent(field: str) -> bool:
    """Whether a field of a payload stays out of an event's attributes, whatever the file says."""
    return field in ADDRESSES or is_credential(field)
