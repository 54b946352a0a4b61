"""What the data dictionary says that no schema holds: who makes an object, how it is signed, what words mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from meterhall.domain.protocol import agreements, consents, deliveries, players, statements

GROUPS: Final = {
    "players": ("Players", "Who takes part: what a player declares, what others see of it, and the word that vouches."),
    "offers": ("Offers", "What a provider serves, how it is certified for it, and what requesters wish for."),
    "agreements": ("Agreements", "The contract of two levels, and the signatures over it."),
    "activations": ("Activations", "Points of delivery with their proofs under a contract, and the answer for each."),
    "consents": ("Consents", "What a customer is asked and grants, and the evidence of it that a requester brings."),
    "deliveries": ("Deliveries", "Asking for data, the manifest and its parts, the receipt, the change feed."),
    "localisation": ("Localisation", "Which provider holds a point of delivery. Nothing of a question is kept."),
    "statements": ("Statements", "What both sides tell the Market Place's log."),
    "events": ("Events", "What one platform tells another, and the object each type of event carries as `data`."),
    "log": ("Log", "What proves that a statement stands in the transparency log, and that the log only grows."),
    "base": ("Common parts", "What stands in objects of several nouns."),
}
"""The nouns in the order of the page, by the module of `domain/protocol`."""

DRAWN: Final = {
    "players": (
        ("PlayerView", "LegalIdentifier", "Endpoints", "KeySet", "Jwk"),
        ("Enrolment", "Discovery"),
        ("Membership", "Attestation"),
    ),
    "offers": (
        ("OfferView", "Offer", "DataScope", "ServiceOption", "Price", "ServiceLevel", "CoverageArea"),
        ("Profile", "CertificationView", "CertificationCheck"),
        ("WishView", "Wish", "WishMatch", "ProviderView"),
    ),
    "agreements": (
        ("SubscriptionView", "ServiceContract", "Party", "Repository", "SubscriptionRequest"),
        ("GeneralContract", "Article", "ContractSignature", "Countersignature", "StandingAcceptance", "Quit"),
    ),
    "activations": (("ActivationRequest", "ActivationItem", "Schedule", "Refresh", "ActivationView", "ItemAnswer"),),
    "consents": (
        ("MeteringDataDetail", "GrantedDetail", "ConsentView"),
        ("ConsentStatement", "Evidence", "EvidenceView"),
    ),
    "deliveries": (
        ("ManifestView", "Manifest", "Part", "Receipt"),
        ("DataRequest", "CurvesAsked", "GroupOf", "GroupAnswer", "GroupCurveName", "GroupMonth"),
        ("ForecastAnswer", "ForecastMade", "NotForecast"),
        ("Changes", "ChangedValues"),
    ),
    "localisation": (("LocalisationItem", "LocalisationAnswer", "LocalisationCandidate"),),
    "statements": (("StatementPosted", "Statement", "LogReceipt"),),
    "events": (
        (
            "Event", "PlayerChanged", "CertificationStarted", "CertificationFinished", "WishMatched", "OfferChanged",
            "SubscriptionRequested", "SubscriptionActive", "SubscriptionEnded", "DeliveryMatched",
        ),
        ("Event", "ConsentChanged", "ActivationAnswered", "DeliveryReady"),
    ),
    "log": (("LoggedStatement", "ProofFile", "ConsistencyProof", "LogCosignature"),),
}  # fmt: skip
"""The class diagrams of each noun: the classes whose boxes are filled. Others they speak of are bare boxes."""

HELPERS: Final = frozenset(
    {
        "Period", "Signed", "Page", "Acknowledgement", "AttestationRequest", "Attested", "SandboxGrant",
        "Countersigned", "Activated", "DataRequested", "ReceiptTaken", "Termination", "FeedPage", "FeedAcknowledgement",
        "LocalisationRequest", "LocalisationReply",
    }
)  # fmt: skip
"""Classes that only wrap another or a single text: they have a table and stand in no diagram."""

ANY, EITHER = "any player", "provider, requester or Market Place"
MARKETPLACE, PROVIDER, REQUESTER = "the Market Place", "the provider", "the requester"
MADE_BY: Final = {
    "Enrolment": "whoever wants to take part",
    "KeySet": ANY,
    "PlayerView": MARKETPLACE,
    "Membership": MARKETPLACE,
    "Discovery": "every platform, of itself",
    "Attestation": MARKETPLACE,
    "AttestationRequest": ANY,
    "Attested": MARKETPLACE,
    "Offer": PROVIDER,
    "OfferView": MARKETPLACE,
    "Profile": PROVIDER,
    "CertificationView": MARKETPLACE,
    "Wish": REQUESTER,
    "WishView": MARKETPLACE,
    "ProviderView": MARKETPLACE,
    "GeneralContract": MARKETPLACE,
    "ServiceContract": f"{MARKETPLACE}, from the offer",
    "ContractSignature": "the requester, then the provider; of the general contract every player",
    "Countersigned": MARKETPLACE,
    "Countersignature": MARKETPLACE,
    "StandingAcceptance": PROVIDER,
    "SubscriptionRequest": REQUESTER,
    "SubscriptionView": MARKETPLACE,
    "Quit": REQUESTER,
    "ActivationRequest": REQUESTER,
    "Activated": PROVIDER,
    "ItemAnswer": PROVIDER,
    "ActivationView": PROVIDER,
    "Refresh": REQUESTER,
    "MeteringDataDetail": REQUESTER,
    "GrantedDetail": PROVIDER,
    "ConsentStatement": "the customer, or the requester for the customer",
    "Evidence": REQUESTER,
    "EvidenceView": PROVIDER,
    "ConsentView": PROVIDER,
    "Termination": REQUESTER,
    "DataRequest": REQUESTER,
    "CurvesAsked": REQUESTER,
    "DataRequested": PROVIDER,
    "Manifest": PROVIDER,
    "ManifestView": PROVIDER,
    "Receipt": REQUESTER,
    "ReceiptTaken": PROVIDER,
    "Changes": PROVIDER,
    "LocalisationRequest": "any admitted player",
    "LocalisationReply": MARKETPLACE,
    "Statement": EITHER,
    "StatementPosted": "provider or requester",
    "LogReceipt": MARKETPLACE,
    "Event": "the Market Place or the provider; see its type",
    "FeedPage": "the Market Place or the provider",
    "FeedAcknowledgement": "whoever reads the feed",
    "ProofFile": MARKETPLACE,
    "ConsistencyProof": MARKETPLACE,
    "LogCosignature": "a witness",
    "LoggedStatement": MARKETPLACE,
    "Signed": "the maker of what is in it",
    "Acknowledgement": "the platform that took the command",
    "Page": "the platform that is asked",
}
"""Of what stands in other objects only, the maker is that of the object around it."""


@dataclass(frozen=True, slots=True)
class Signing:
    """How an object is signed: the `typ` of the JWS, by which key, in the body of which calls, in which members."""

    typ: str
    key: str
    calls: tuple[str, ...] = ()
    members: tuple[str, ...] = ()


SIGNED: Final = {
    "Enrolment": Signing(players.ENROLMENT_TYP, "the transport key it declares", ("POST /v1/players",)),
    "KeySet": Signing(
        players.KEYS_TYP,
        "a present key of the player; a change of contract keys with a present contract key",
        ("PUT /v1/players/me/keys",),
    ),
    "Endpoints": Signing(
        players.ENDPOINTS_TYP, "a present transport key of the player", ("PUT /v1/players/me/endpoints",)
    ),
    "Attestation": Signing(
        players.ATTESTATION_TYP,
        "the Market Place's transport key",
        members=(
            "Attested.attestation",
            "Membership.attestation",
            "CertificationStarted.attestation",
            "SubscriptionRequested.attestation",
            "SubscriptionActive.attestation",
        ),
    ),
    "ContractSignature": Signing(
        agreements.SIGNATURE_TYP,
        "a contract key, released by a person's second factor; or the transport key under a standing acceptance",
        ("POST /v1/general-contract/signatures", "POST /v1/subscriptions/{subscription_id}/signatures"),
        ("SubscriptionView.signatures",),
    ),
    "Countersignature": Signing(
        agreements.COUNTERSIGNATURE_TYP,
        "the Market Place's transport key",
        members=("Countersigned.countersignature", "SubscriptionView.signatures"),
    ),
    "StandingAcceptance": Signing(
        agreements.ACCEPTANCE_TYP,
        "the provider's contract key, released by a person's second factor",
        ("POST /v1/standing-acceptances",),
    ),
    "Quit": Signing(
        agreements.QUIT_TYP,
        "a transport or contract key of the requester",
        ("POST /v1/subscriptions/{subscription_id}/quit",),
    ),
    "ConsentStatement": Signing(
        consents.EVIDENCE_TYP,
        "the customer's own key, its certificate chain in the header (`x5c`); or the requester's transport key",
        members=("Evidence.jws",),
    ),
    "Manifest": Signing(deliveries.MANIFEST_TYP, "the provider's transport key", members=("ManifestView.jws",)),
    "Receipt": Signing(
        deliveries.RECEIPT_TYP,
        "the requester's transport key",
        ("POST /v1/deliveries/{delivery_id}/receipt",),
    ),
    "Statement": Signing(
        statements.STATEMENT_TYP,
        "the transport key of its maker",
        members=(
            "StatementPosted.statement",
            "Acknowledgement.statement",
            "LoggedStatement.jws",
            "ProofFile.statement",
        ),
    ),
}

DIGESTED: Final = (
    ("ServiceContract", "general_contract", "GeneralContract"),
    ("ContractSignature", "digest", "GeneralContract"),
    ("ContractSignature", "digest", "ServiceContract"),
    ("Countersignature", "signatures", "ContractSignature"),
    ("EvidenceView", "digest", "Evidence"),
    ("Receipt", "manifest", "Manifest"),
)
"""Which member is the digest of which other object."""

_PAGE_TWO: Final = "../protocol/activation.md#path-two-the-customers-page"
BESIDES: Final = {
    "MeteringDataDetail": (f"[`POST /oauth/par`]({_PAGE_TWO}) (provider, parameter `authorization_details`)",),
    "GrantedDetail": (f"[`POST /oauth/token`]({_PAGE_TWO}) (provider, answer's `authorization_details`)",),
    "Attestation": (
        "[`POST /oauth/token`](../protocol/tokens.md#ask-for-a-token) (provider, form field `attestation`)",
    ),
    "ChangedValues": ("a line of a part in the format [`jsonl`](../protocol/data.md#formats)",),
}  # fmt: skip
"""Where objects travel that no OpenAPI document lists."""

IDS: Final = {
    "off": ("offer", "OfferView"),
    "wsh": ("wish", "WishView"),
    "sub": ("subscription", "SubscriptionView"),
    "crt": ("certification", "CertificationView"),
    "act": ("activation", "ActivationView"),
    "con": ("consent", "ConsentView"),
    "dlv": ("delivery", "Manifest"),
    "stm": ("statement", "Statement"),
    "evt": ("event", "Event"),
}
"""By prefix: what the id is of, and the class that shows it."""

PATTERNS: Final = {
    r"^MH\d{10}$": "access number",
    r"^[A-Z]{2}$": "country",
    r"^sha-256:[0-9a-f]{64}$": "digest",
    r"^[0-9a-f]{32}$": "salt",
    r"^https://[^\s#]+$": "address",
    r"^\d{1,12}(\.\d{1,6})?$": "amount",
    r"^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$": "JWS",
    r"^[A-Za-z0-9+/]{43}=$": "node hash",
    r"^P(\d+Y)?(\d+M)?(\d+D)?$": "duration",
    r"^(consent:con_[0-9a-f]{24}|evidence:sha-256:[0-9a-f]{64}|ask_customer|sandbox)$": "proof",
}
"""The words for texts of a form."""

TYPES: Final = (
    ("text", "string", "Unicode, without the character NUL; a length counts Unicode code points"),
    ("whole number", "number", "without a fraction, within ±(2^53 − 1), which I-JSON (RFC 7493) carries exactly"),
    ("number", "number", "a double of IEEE 754"),
    ("truth value", "`true` or `false`", "nothing else: neither 0 nor a text"),
    ("instant", "string", "date and time with an offset (RFC 3339), read with any, written in UTC with up to six "
     "digits of a second: `2026-11-25T19:42:18.342623Z`"),
    ("day", "string", "calendar date (ISO 8601), a civil day in the zone of the POD: `2016-09-01`"),
    ("duration", "string", "ISO 8601 years, months and days: `P1Y`, `P6M`, `P30D`"),
    ("id", "string", "a prefix of three letters, `_`, 24 hex digits in small letters: 96 random bits of its maker"),
    ("access number", "string", "`MH`, eight digits and two check digits (ISO 7064 MOD 97-10): a player"),
    ("country", "string", "two capital letters (ISO 3166-1 alpha-2); Greece is `GR`"),
    ("pseudonym", "string", "a UUID (RFC 9562) in its form of 36 characters, small letters"),
    ("digest", "string", "`sha-256:` and 64 hex digits in small letters; of a document that of its canonical form "
     "(RFC 8785)"),
    ("salt", "string", "32 hex digits in small letters: 16 random bytes"),
    ("address", "string", "an absolute `https` URL without a fragment, 500 characters at most"),
    ("proof", "string", "`consent:` and the id of a consent, `evidence:` and a digest, `ask_customer`, or `sandbox`"),
    ("amount", "string", "a decimal in text, up to twelve digits and six after the point, no sign: `0.25`"),
    ("JWS", "string", "compact JWS (RFC 7515), 262,144 characters at most; the payload is the canonical form of the "
     "object named"),
    ("node hash", "string", "SHA-256 hash of a tree's node in base64, 44 characters, as C2SP has it"),
    ("list of …", "array", "in an order that counts; an empty one says that there is none"),
    ("object …", "object", "names and values; of a class every member not named in its table is refused"),
)  # fmt: skip
"""The words of the column "type": how it stands in JSON, and its form."""

VALUES: Final = {
    "environment": {
        "regulated": "only regulated actors (DSO, TSO, metering data manager) are providers",
        "unregulated": "only the others are",
    },
    "role": {
        "provider": "holds meter data and serves it",
        "requester": "asks for it on behalf of customers",
    },
    "activity": {
        "dso": "distribution system operator",
        "tso": "transmission system operator",
        "metering_data_manager": "keeps metering data for operators, as a data hub does",
        "retailer": "sells energy to customers",
        "esco": "energy service company: advice, efficiency",
        "aggregator": "pools flexible load and generation",
        "technology_provider": "makes platforms or devices",
        "market_operator": "runs a Market Place; its certifier has this",
    },
    "assurance": {
        "requester_stated": "the requester's word, signed with its transport key",
        "customer_signed": "the customer's own signature, by a certificate of an authority the provider trusts",
        "customer_confirmed": "the customer consented on the provider's page",
    },
    "measure": {
        "sum": "the total of all members",
        "mean": "the total, divided by the number of members",
        "p10": "10 in 100 members have this value or less (nearest rank)",
        "p25": "25 in 100 have",
        "p50": "50 in 100 have: the median",
        "p75": "75 in 100 have",
        "p90": "90 in 100 have",
    },
}
"""Lists of values that several members share; the others are explained where they stand."""

QUALITIES: Final = {
    0: "passed every check it had to pass, or was verified",
    7: "replaced or approved by a person",
    8: "estimated from earlier values of the same meter, as of a like day",
    9: "estimated by linear interpolation between the values around it",
    10: "in doubt: failed one check or more",
    11: "calculated from other values: a sum, a measure of a group",
    12: "a forecast",
    13: "of a slot whose values are of different qualities",
    14: "as the meter gave it, unchecked",
    15: "normalised for the weather",
    16: "none of these",
    17: "validated, and edited or estimated where needed, by approved rules; what a value is where nothing is said",
    18: "failed a check, and was found to be what really flowed",
    19: "good for the bill",
}
"""What each ESPI 4.0 code says, in our words."""

JWS_HEADER: Final = (
    ("alg", "every JWS", "`Ed25519`; `EdDSA` is accepted. Of a ConsentStatement that a customer signed also `ES256`, "
     "`ES384`, `PS256` and `RS256`"),
    ("typ", "every JWS", "the type named with the class: another one is refused"),
    ("kid", "every JWS but a customer's", "the RFC 7638 thumbprint of the key that signed"),
    ("x5c", "ConsentStatement, signed by the customer", "the certificate chain, the signer's own first, six at most "
     "(RFC 7515, section 4.1.6); its subject's `serialNumber` is the holder's reference"),
    ("signer", "ContractSignature and StandingAcceptance, by a contract key", "the person's name, at most 200 "
     "characters"),
    ("auth_time", "the same", "when the person's second factor was shown: seconds since 1970-01-01T00:00:00Z, at most "
     "five minutes before `signed_at`"),
    ("amr", "the same", "list of the methods shown (RFC 8176), one of them more than something known"),
    ("acceptance", "ContractSignature under a standing acceptance", "digest of the acceptance's JWS text; the three "
     "above are not there"),
)  # fmt: skip
"""Members of the protected header: where they stand, and what they say."""

GRANULARITIES: Final = {
    "PT5M": ("5 minutes", "300", "from midnight UTC"),
    "PT10M": ("10 minutes", "600", "from midnight UTC"),
    "PT15M": ("15 minutes", "900", "from midnight UTC"),
    "PT30M": ("30 minutes", "1800", "from midnight UTC"),
    "PT1H": ("1 hour", "3600", "from midnight UTC"),
    "P1D": (
        "a civil day: 23, 24 or 25 hours",
        "86400; each `timePeriod` has the true length",
        "at midnight of the POD's zone",
    ),
    "P7D": (
        "a civil week (ISO 8601): 167, 168 or 169 hours",
        "604800; each `timePeriod` has the true length",
        "at midnight of its Monday, in the POD's zone",
    ),
    "P1M": (
        "a civil month",
        "left out; each `timePeriod` has the true length",
        "at midnight of its first day, in the POD's zone",
    ),
}
"""How long, ESPI's `intervalLength`, where slots begin."""

FORMATS_SAID: Final = {
    "parquet": "columns, packed by themselves: for programs that read much",
    "arrow": "the same columns as an Arrow IPC stream",
    "csv": "a header line, then one slot a line",
    "espi": "Green Button: an Atom feed of ESPI 4.0",
    "cim": "ValidatedHistoricalData 1.04 in XML",
    "cim_json": "the same document in JSON",
    "jsonl": "a usage point, direction and UTC day a line: a [ChangedValues](#changedvalues)",
    "jsonl_rows": "a slot a line, with the columns of the CSV",
}
