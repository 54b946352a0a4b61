"""Evidence a requester brings: what is believed, how far, and that a word is never taken for a signature."""

from __future__ import annotations

import base64
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from django.test import override_settings
from joserfc import jws
from joserfc.jwk import ECKey

from meterhall.domain.protocol.canonical import canonical
from meterhall.domain.protocol.consents import EVIDENCE_TYP, ConsentStatement
from meterhall.domain.protocol.consents import Evidence as EvidenceIn
from meterhall.domain.protocol.keys import BadSignature, Registry, sign
from meterhall.provider.consents.evidence import BadEvidence
from meterhall.provider.consents.judging import take_evidence, view
from meterhall.provider.consents.models import Consent, Evidence
from meterhall.provider.consents.service import revoke
from meterhall.provider.points.models import Point
from meterhall.provider.points.schemas import OccupancyIn
from meterhall.web.home import Home
from meterhall.web.platform import Platform, platform
from tests.platform.provider.conftest import HOLDER, NEIGHBOUR, OTHER, REQUESTER, SCOPE, World, settings, states


class Authority:
    """A certification authority of customers' cards."""

    def __init__(self, name: str = "Card authority") -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = self._issue(self.name, self.key, is_ca=True)

    def _issue(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, is_ca: bool = False, until: datetime | None = None
    ) -> x509.Certificate:
        usage = dict.fromkeys(
            ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
             "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"), False,
        ) | ({"key_cert_sign": True, "crl_sign": True} if is_ca else {"digital_signature": True})  # fmt: skip
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
            .not_valid_after(until or datetime(2030, 1, 1, tzinfo=UTC))
            .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
            .add_extension(x509.KeyUsage(**usage), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
        )
        return builder.sign(self.key, hashes.SHA256())

    def card(
        self, holder: str | None, until: datetime | None = None
    ) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
        """A customer's card; its certificate names the holder by the subject's serial number."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = [x509.NameAttribute(NameOID.COMMON_NAME, "Customer")]
        if holder is not None:
            names.append(x509.NameAttribute(NameOID.SERIAL_NUMBER, holder))
        return key, self._issue(x509.Name(names), key, until=until)

    def trust(self, home: Path) -> None:
        folder = home / "trust" / "consent"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "cards.pem").write_bytes(self.certificate.public_bytes(Encoding.PEM))


@pytest.fixture
def point(world: World) -> Point:
    [point] = world.points(1)
    world.readings([point], date(2026, 3, 1), date(2026, 3, 2))
    return point


def statement(world: World, point: Point, **changes: object) -> ConsentStatement:
    said = {
        "pod": point.pod, "requester": REQUESTER, "holder_reference": HOLDER, "scope": SCOPE, "purpose": "Advice",
        "given_at": world.clock() - timedelta(days=1), "access_until": world.clock() + timedelta(days=90),
    } | changes  # fmt: skip
    return ConsentStatement(**said)  # type: ignore[arg-type]


def carded(said: ConsentStatement, card: tuple[ec.EllipticCurvePrivateKey, x509.Certificate]) -> EvidenceIn:
    key, certificate = card
    chain = [base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()]
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    header = {"alg": "ES256", "typ": EVIDENCE_TYP, "x5c": chain}
    token = jws.serialize_compact(
        header, canonical(said.document()), ECKey.import_key(pem), registry=Registry(["ES256"])
    )
    return EvidenceIn(assurance="customer_signed", jws=token)


def stated(world: World, said: ConsentStatement, assurance: str = "requester_stated") -> EvidenceIn:
    token = sign(said.document(), world.keys[REQUESTER], typ=EVIDENCE_TYP)
    return EvidenceIn(assurance=assurance, jws=token)  # type: ignore[arg-type]


def judged(evidence: EvidenceIn, requester: str = REQUESTER) -> str:
    """The code, or `accepted`."""
    found = view(take_evidence(evidence, requester))
    return found.code or ("accepted" if found.accepted else "neither")


def trusting(world: World, tmp_path: Path) -> override_settings:
    """The same provider with a policy that takes a requester's word."""
    home = Home.create(
        tmp_path / "trusting",
        settings() | {"accepted_assurance": ["requester_stated", "customer_signed", "customer_confirmed"]},
        None,
    )
    return override_settings(METERHALL=Platform(home, clock=world.clock))


def test_a_card_signed_consent_is_accepted_and_activates(world: World, point: Point) -> None:
    authority = Authority()
    authority.trust(world.home.path)
    evidence = carded(statement(world, point), authority.card(HOLDER))
    assert judged(evidence) == "accepted"
    activation = world.activate(world.contract(), [(point.pod, f"evidence:{Evidence.objects.get().digest}")])
    assert states(activation) == [("accepted", "")]
    assert activation.items.get().consent_item.consent.assurance == "customer_signed"
    assert point.pod.encode() not in bytes(Evidence.objects.get().sealed), "kept sealed"


def test_the_same_evidence_again_is_the_same_answer_and_one_consent(world: World, point: Point) -> None:
    authority = Authority()
    authority.trust(world.home.path)
    evidence = carded(statement(world, point), authority.card(HOLDER))
    assert (judged(evidence), judged(evidence)) == ("accepted", "accepted")
    assert (Evidence.objects.count(), Consent.objects.count()) == (1, 1)


def test_the_same_paper_under_another_assurance_is_judged_anew(world: World, point: Point) -> None:
    authority = Authority()
    authority.trust(world.home.path)
    right = carded(statement(world, point), authority.card(HOLDER))
    wrong = right.model_copy(update={"assurance": "requester_stated"})
    assert judged(wrong) == "evidence_assurance"
    subscription, proof = world.contract(), f"evidence:{Evidence.objects.get().digest}"
    assert states(world.activate(subscription, [(point.pod, proof)])) == [("refused", "evidence_assurance")]
    found = view(take_evidence(right, REQUESTER))
    assert (found.assurance, found.accepted, found.code) == ("customer_signed", True, None)
    assert (judged(wrong), judged(right)) == ("evidence_assurance", "accepted")
    assert states(world.activate(subscription, [(point.pod, proof)])) == [("accepted", "")]


def test_a_wrong_authority_an_expired_card_and_no_trust_at_all_are_no_evidence(world: World, point: Point) -> None:
    authority = Authority()
    with pytest.raises(BadEvidence):
        judged(carded(statement(world, point), authority.card(HOLDER)))
    authority.trust(world.home.path)
    with pytest.raises(BadEvidence):
        judged(carded(statement(world, point), Authority().card(HOLDER)))
    with pytest.raises(BadEvidence):
        judged(carded(statement(world, point), authority.card(HOLDER, datetime(2026, 3, 1, tzinfo=UTC))))
    card, other = authority.card(HOLDER), authority.card(HOLDER)
    with pytest.raises(BadEvidence):
        judged(carded(statement(world, point), (card[0], other[1])))
    assert not Evidence.objects.exists()


@pytest.mark.parametrize("holder", [NEIGHBOUR, None])
def test_the_card_of_somebody_else_or_of_nobody_is_refused(world: World, point: Point, holder: str | None) -> None:
    authority = Authority()
    authority.trust(world.home.path)
    assert judged(carded(statement(world, point), authority.card(holder))) == "evidence_holder"
    activation = world.activate(world.contract(), [(point.pod, f"evidence:{Evidence.objects.get().digest}")])
    assert states(activation) == [("refused", "evidence_holder")]


def test_a_holder_of_another_point_is_refused(world: World, point: Point) -> None:
    authority = Authority()
    authority.trust(world.home.path)
    foreign = statement(world, point, holder_reference=NEIGHBOUR)
    assert judged(carded(foreign, authority.card(NEIGHBOUR))) == "evidence_holder"
    early = (OccupancyIn(holder_reference=HOLDER, first=date(2026, 4, 1)),)
    [later] = world.points(1, first=9, occupancies=early)
    assert judged(carded(statement(world, later), authority.card(HOLDER))) == "evidence_holder", "not yet moved in"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"requester": OTHER}, "consent_missing"),
        ({"pod": "IT001E12345678"}, "pod_unknown"),
        ({"pod": "nonsense"}, "pod_unknown"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_code(
    world: World, point: Point, changes: dict[str, object], code: str
) -> None:
    authority = Authority()
    authority.trust(world.home.path)
    assert judged(carded(statement(world, point, **changes), authority.card(HOLDER))) == code


def test_a_consent_that_has_run_out_or_is_dated_wrongly(world: World, point: Point) -> None:
    authority = Authority()
    authority.trust(world.home.path)
    card, now = authority.card(HOLDER), world.clock()
    assert judged(carded(statement(world, point, access_until=now - timedelta(hours=1)), card)) == "consent_expired"
    for changes in ({"given_at": now + timedelta(days=1)}, {"access_until": now + timedelta(days=4 * 366)}):
        with pytest.raises(BadEvidence):
            judged(carded(statement(world, point, **changes), card))


def test_an_old_paper_does_not_revive_what_was_withdrawn(world: World, point: Point) -> None:
    authority = Authority()
    authority.trust(world.home.path)
    card = authority.card(HOLDER)
    said = statement(world, point)
    judged(carded(said, card))
    revoke(Consent.objects.get().pk, HOLDER)
    assert judged(carded(said, card)) == "consent_revoked", "ECDSA gives another JWS over the same paper"
    world.clock.now += timedelta(days=2)
    assert judged(carded(statement(world, point), card)) == "accepted", "a new paper does"


def test_a_requesters_word_does_not_count_by_default(world: World, point: Point) -> None:
    assert judged(stated(world, statement(world, point))) == "evidence_assurance"
    assert not Consent.objects.exists()
    activation = world.activate(world.contract(), [(point.pod, f"evidence:{Evidence.objects.get().digest}")])
    assert states(activation) == [("refused", "evidence_assurance")]


def test_a_requesters_word_never_passes_for_a_customers_signature(world: World, point: Point) -> None:
    Authority().trust(world.home.path)
    with pytest.raises(BadEvidence):
        judged(stated(world, statement(world, point), "customer_signed"))
    assert judged(stated(world, statement(world, point), "customer_confirmed")) == "evidence_assurance"


def test_a_requesters_word_counts_as_such_where_policy_and_offer_take_it(
    world: World, point: Point, tmp_path: Path
) -> None:
    with trusting(world, tmp_path):
        assert judged(stated(world, statement(world, point))) == "accepted"
        assert Consent.objects.get().assurance == "requester_stated"
        proof = f"evidence:{Evidence.objects.get().digest}"
        strict = world.activate(world.contract(), [(point.pod, proof)])
        assert states(strict) == [("refused", "evidence_assurance")], "this contract's offer does not take it"
        every = ("requester_stated", "customer_signed", "customer_confirmed")
        lenient = world.contract(accepted_assurance=every)
        assert states(world.activate(lenient, [(point.pod, proof)])) == [("accepted", "")]
        asked = world.activate(lenient, [(point.pod, "ask_customer")])
        assert states(asked) == [("accepted", "")]
        with pytest.raises(BadSignature):
            judged(stated(world, statement(world, point, purpose="x")), OTHER)
    assert platform().config.accepted_assurance == ("customer_signed", "customer_confirmed")
    again = world.activate(lenient, [(point.pod, proof)])
    assert states(again) == [("refused", "evidence_assurance")], "a stricter policy holds for what was taken before"
