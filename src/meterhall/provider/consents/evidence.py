"""Reading consent evidence: whose signature it is and how far it can be believed. What follows is the service's."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import NameOID
from cryptography.x509.verification import ExtensionPolicy, PolicyBuilder, Store, VerificationError
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey
from pydantic import ValidationError

from meterhall.domain.errors import InvalidInput
from meterhall.domain.protocol.canonical import canonical
from meterhall.domain.protocol.consents import EVIDENCE_TYP, ConsentStatement
from meterhall.domain.protocol.i_json import NotIJson, read_json
from meterhall.domain.protocol.keys import BadSignature, PublicKey, Registry, header_of, verify

CUSTOMER_ALGORITHMS = ["Ed25519", "EdDSA", "ES256", "ES384", "PS256", "RS256"]
"""What national signature cards and services write."""


class BadEvidence(InvalidInput):
    code = "bad_evidence"
    title = "The evidence is not what its assurance says."


@dataclass(frozen=True, slots=True)
class Read:
    """A consent statement whose signature holds, and the signer's own identifier where a certificate names one."""

    statement: ConsentStatement
    signer_reference: str | None


def read_stated(token: str, requester_keys: list[PublicKey]) -> Read:
    """A requester's word under its transport key; never counts as the customer's signature."""
    return Read(_statement(verify(token, requester_keys, typ=EVIDENCE_TYP).document), None)


def read_customer_signed(token: str, trusted: list[x509.Certificate], now: datetime) -> Read:
    """A customer's signature by a certificate that chains to an authority on the trust list.

    Raises `BadEvidence` when the chain, the signature or the content does not hold (RFC 7515 section 4.1.6, RFC 5280).
    """
    header = header_of(token)
    if header.get("typ") != EVIDENCE_TYP:
        raise BadEvidence(f"Evidence is a JWS of type {EVIDENCE_TYP}.", field="/jws")
    chain = _chain(header.get("x5c"))
    _check_chain(chain, trusted, now)
    try:
        checked = jws.deserialize_compact(token, _key(chain[0]), registry=Registry(CUSTOMER_ALGORITHMS))
        document = read_json(checked.payload)
    except NotIJson as fault:
        raise BadEvidence(f"The signed document {fault}.", field="/jws") from None
    except (JoseError, ValueError) as fault:
        raise BadEvidence("The signature does not fit the certificate.", field="/jws") from fault
    if canonical(document) != checked.payload:
        raise BadEvidence("The signed document is not in its canonical form (RFC 8785).", field="/jws")
    return Read(_statement(document), _serial_number(chain[0]))


def trust_list(folder: Path) -> list[x509.Certificate]:
    """The authorities whose certificates customers may sign with: every PEM file in `folder`."""
    pems = sorted(folder.glob("*.pem")) if folder.is_dir() else []
    return [certificate for pem in pems for certificate in x509.load_pem_x509_certificates(pem.read_bytes())]


def _statement(document: object) -> ConsentStatement:
    try:
        return ConsentStatement.model_validate(document)
    except ValidationError as fault:
        first = fault.errors(include_input=False)[0]
        raise BadEvidence(f"{first['msg']}", field="/jws/" + "/".join(str(part) for part in first["loc"])) from None


def _chain(x5c: object) -> list[x509.Certificate]:
    if not isinstance(x5c, list) or not x5c or len(x5c) > 6:
        raise BadEvidence("The header carries the signer's certificate chain (x5c).", field="/jws")
    try:
        return [x509.load_der_x509_certificate(base64.b64decode(str(one))) for one in x5c]
    except ValueError as fault:
        raise BadEvidence("The certificate chain cannot be read.", field="/jws") from fault


def _check_chain(chain: list[x509.Certificate], trusted: list[x509.Certificate], now: datetime) -> None:
    if not trusted:
        raise BadEvidence("No authority is on this provider's trust list.", field="/jws")
    policy = PolicyBuilder().store(Store(trusted)).time(now).max_chain_depth(4)
    policy = policy.extension_policies(
        ca_policy=ExtensionPolicy.webpki_defaults_ca(), ee_policy=ExtensionPolicy.permit_all()
    )
    try:
        policy.build_client_verifier().verify(chain[0], chain[1:])
    except VerificationError as fault:
        raise BadEvidence("The certificate does not chain to a trusted authority.", field="/jws") from fault


def _key(certificate: x509.Certificate) -> OKPKey | ECKey | RSAKey:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    pem = certificate.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for kind in (OKPKey, ECKey, RSAKey):
        try:
            return kind.import_key(pem)
        except (JoseError, ValueError, TypeError):
            continue
    raise BadEvidence("The certificate's key is of a kind that is not accepted.", field="/jws")


def _serial_number(certificate: x509.Certificate) -> str | None:
    found = certificate.subject.get_attributes_for_oid(NameOID.SERIAL_NUMBER)
    return str(found[0].value) if found else None


def check_dates(statement: ConsentStatement, now: datetime) -> None:
    """A consent is given before it is shown, and lasts at most three years."""
    if statement.given_at > now + timedelta(minutes=5):
        raise BadEvidence("The consent is given in the future.", field="/jws/given_at")
    if statement.access_until > statement.given_at + timedelta(days=3 * 366):
        raise BadEvidence("A consent lasts three years at most.", field="/jws/access_until")


__all__ = ["BadEvidence", "BadSignature", "Read", "check_dates", "read_customer_signed", "read_stated", "trust_list"]
