"""The revenue fields of a payload: `cumulated_revenues_in_xxx`, one for each currency."""

from collections.abc import Mapping
from typing import Any, Final

from worker.purchasely.documented import Documented

_PREFIX = "cumulated_revenues_in_"

# `xxx` is the app's "default integration currency" (Purchasely's attribute table), so any of ISO 4217.
# A set of whole field names, because looking at each name of a payload costs eight times as much.
_CURRENCIES = """
aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bhd bif bmd bnd bob brl bsd btn bwp byn bzd
cad cdf chf clp cny cop crc cuc cup cve czk djf dkk dop dzd egp ern etb eur fjd fkp gbp gel ghs gip
gmd gnf gtq gyd hkd hnl hrk htg huf idr ils inr iqd irr isk jmd jod jpy kes kgs khr kmf kpw krw kwd
kyd kzt lak lbp lkr lrd lsl lyd mad mdl mga mkd mmk mnt mop mru mur mvr mwk mxn myr mzn nad ngn nio
nok npr nzd omr pab pen pgk php pkr pln pyg qar ron rsd rub rwf sar sbd scr sdg sek sgd shp sle sll
sos srd ssp stn svc syp szl thb tjs tmt tnd top try ttd twd tzs uah ugx usd uyu uzs ves vnd vuv wst
xaf xcd xcg xof xpf yer zar zmw zwg zwl
"""
FIELDS: Final = frozenset(_PREFIX + currency for currency in _CURRENCIES.split())


def read_revenue(payload: Documented | Mapping[str, Any]) -> list[tuple[str, float]]:
    """Lifetime revenue of the user, as (lower-case currency, amount)."""
    if isinstance(payload, Documented):
        eur, usd = payload.cumulated_revenues_in_eur, payload.cumulated_revenues_in_usd
        told = [] if eur is None else [("eur", float(eur))]
        if usd is not None:
            told.append(("usd", float(usd)))
        if payload.__revenue__:
            more = [(field[-3:], getattr(payload, field)) for field in payload.__revenue__ if field in FIELDS]
            told = sorted(told + [(currency, float(amount)) for currency, amount in more if amount is not None])
        return told
    return [
        (field[-3:], float(amount))
        for field in sorted(FIELDS.intersection(payload))
        if type(amount := payload[field]) is float or type(amount) is int
    ]
