"""Abbreviations of time zones, as far as one meaning prevails, and offsets in figures."""

from __future__ import annotations

import re
from datetime import timedelta, timezone

_HOURS: dict[float, str] = {
    -11: "SST",
    -10: "HST TAHT",
    -9.5: "MART",
    -9: "AKST GAMT",
    -8: "PST AKDT",
    -7: "MST PDT",
    -6: "CST MDT EAST GALT",
    -5: "EST CDT COT PET ECT EASST",
    -4: "AST EDT BOT VET CLT GYT",
    -3.5: "NST",
    -3: "ADT BRT ART UYT CLST GFT PMST",
    -2.5: "NDT",
    -2: "BRST FNT PMDT UYST",
    -1: "AZOT CVT EGT",
    0: "Z UT UTC GMT WET AZOST EGST",
    1: "CET WEST BST MEZ WAT",
    2: "CEST EET MESZ MEST CAT SAST WAST",
    3: "EEST MSK FET EAT TRT IDT SYOT",
    3.5: "IRST",
    4: "MSD GST AMT AZT GET SAMT MUT RET SCT",
    4.5: "AFT IRDT",
    5: "PKT UZT TMT TJT YEKT MVT AQTT",
    5.5: "IST SLST",
    5.75: "NPT",
    6: "ALMT BTT KGT NOVT OMST BIOT",
    6.5: "MMT CCT",
    7: "WIB ICT KRAT CXT DAVT HOVT",
    8: "HKT SGT MYT PHT AWST WITA IRKT ULAT CHOT",
    9: "JST KST WIT TLT YAKT AWDT",
    9.5: "ACST",
    10: "AEST CHST VLAT PGT",
    10.5: "ACDT LHST",
    11: "AEDT MAGT NCT SBT VUT SAKT LHDT",
    12: "NZST FJT PETT GILT TVT ANAT WAKT",
    12.75: "CHAST",
    13: "NZDT TOT PHOT",
    13.75: "CHADT",
    14: "LINT",
}
ABBREVIATIONS = {name: hours for hours, names in _HOURS.items() for name in names.split() if name.isalpha()}

_OFFSET = re.compile(r"(?:Z|UTC|GMT)?([+-])(\d\d)(?::?(\d\d))?")


def zone_of(text: str) -> timezone | None:
    """Return the zone that an abbreviation or an offset stands for, None for what is neither."""
    found = _OFFSET.fullmatch(text)
    if found:
        offset = timedelta(hours=int(found[2]), minutes=int(found[3] or 0))
        offset = -offset if found[1] == "-" else offset
    elif text in ABBREVIATIONS:
        offset = timedelta(hours=ABBREVIATIONS[text])
    else:
        return None
    return timezone(offset) if abs(offset) < timedelta(days=1) else None
