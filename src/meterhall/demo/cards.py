"""Signature cards of the demo's customers: a fictitious national authority, and consents signed by its certificates."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import NameOID
from joserfc import jws
from joserfc.jwk import ECKey

from meterhall.domain.protocol.consents import EVIDENCE_TYP, ConsentStatement
from meterhall.web.home import write_private

LIFE = timedelta(days=30)
FILE = "cards.pem"


@dataclass(frozen=True)
class CardAuthority:
    """A certificate authority that gives customers their signature cards; made up for the demo."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def create(cls) -> Self:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Fictitious signature cards")])
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        certificate = (
            _certificate(name, name, key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        return cls(key, certificate)

    def save(self, folder: Path) -> None:
        """Keep the authority in the demo's folder, so that it can sign for whoever joins."""
        pem = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        write_private(folder / FILE, pem + self.certificate.public_bytes(Encoding.PEM))

    @classmethod
    def load(cls, folder: Path) -> Self | None:
        """The authority kept in a demo's folder, if there is one."""
        if not (folder / FILE).exists():
            return None
        pem = (folder / FILE).read_bytes()
        key = load_pem_private_key(pem, None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)  # noqa: S101 - what `save` wrote
        return cls(key, x509.load_pem_x509_certificate(pem))

    def trust(self, folder: Path) -> None:
        """Put the authority on the trust list of the provider whose folder this is."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        (folder / "cards.pem").write_bytes(self.certificate.public_bytes(Encoding.PEM))

    def signed(self, statement: ConsentStatement) -> str:
        """The customer's consent, signed with a card in the holder's name: a JWS with the chain in its header (x5c)."""
        key = ec.generate_private_key(ec.SECP256R1())
        holder = x509.Name(
            [
                x509.NameAttribute(NameOID.COMMON_NAME, "Fictitious customer"),
                x509.NameAttribute(NameOID.SERIAL_NUMBER, statement.holder_reference),
            ]
        )
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        card = (
            _certificate(holder, self.certificate.subject, key)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("customer.invalid")]), critical=False)
            .add_extension(issuer, critical=False)
            .sign(self.key, hashes.SHA256())
        )
        chain = [base64.b64encode(card.public_bytes(Encoding.DER)).decode()]
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        header = {"alg": "ES256", "typ": EVIDENCE_TYP, "x5c": chain}
        return jws.serialize_compact(header, statement.canonical(), ECKey.import_key(pem), algorithms=["ES256"])


def _certificate(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + LIFE)
    )
