"""Points named by an Energy Identification Code of type Z: Estonia (issuing office 38) and Slovakia (24)."""

from __future__ import annotations

from stdnum.eu import eic

from meterhall.domain.pods.scheme import Scheme, pattern


def _scheme(country: str, office: str) -> Scheme:
    return Scheme(
        code=country,
        country=country,
        name="EIC",
        lengths=frozenset({16}),
        grammar=pattern(office + r"Z[0-9A-Z-]{12}[0-9A-Z]"),
        letters=office + "Z",
        check=eic.is_valid,
        checks=1,
        operator=pattern(f"({office})Z"),
        operator_grammar=pattern(office),
        tail="Z",
    )


SCHEMES = (_scheme("EE", "38"), _scheme("SK", "24"))
