"""The articles of the general contract in plain words. Which version is in force and who signed it: elsewhere."""

from __future__ import annotations

from typing import Final

ARTICLES: Final[tuple[tuple[str, str], ...]] = (
    (
        "What this contract is",
        "This is the general contract between {marketplace} (the Market Place) and an organisation that takes part in "
        "the {environment} market for metering data services (a player). It is signed once and is the same for all "
        "players. A service contract between two players is made under it, and an activation under a service "
        "contract: no activation without a service contract in force, no service contract without this one. Where a "
        "service contract and this contract differ, this contract prevails, except for price, data, dates and service "
        "levels.",
    ),
    (
        "Who may take part",
        "A player is established in the European Economic Area and names a legal identifier that can be verified. In "
        "the regulated market only distribution and transmission system operators and metering data managers provide "
        "services; in the unregulated market only other organisations do. Any admitted player may request services. "
        "The Market Place admits whoever meets these conditions, refuses only with a reason, and applies the same "
        "rules, deadlines and prices to all, its own affiliates included.",
    ),
    (
        "Access number and keys",
        "Each player has one access number, which never changes and is never given to another. It holds a transport "
        "key, which signs its messages, and a contract key, which signs its contracts and is used only by a person "
        "entitled to bind it, within five minutes of showing a second factor. What is signed with a player's key "
        "counts as the player's declaration. A player keeps its keys secret, replaces a key that may be known to "
        "others, and tells the Market Place within 24 hours of learning so.",
    ),
    (
        "No reading passes the Market Place",
        "Readings, consent documents and identifiers of points of delivery go between provider and requester only. "
        "The Market Place neither receives nor stores readings or consent documents. A point of delivery that is "
        "submitted to find its provider is used for the answer and then forgotten; it is not stored and not logged. A "
        "player does not put any of these into free text, titles or names it sends to the Market Place.",
    ),
    (
        "Data protection: who is responsible for what",
        "For the readings of a customer, the provider is controller until they are delivered and the requester is "
        "controller from then on, each for its own purposes; neither is the other's processor and they are not joint "
        "controllers, Regulation (EU) 2016/679 (GDPR). The Market Place is controller for the data of the persons who "
        "act for a player and of its audit log, and processes no customer's readings at all. Each controller informs "
        "customers, answers their requests and keeps the records the GDPR asks of it. Who learns of a breach that "
        "touches data received under a service contract tells the other party within 24 hours, so that it can meet "
        "its own duties.",
    ),
    (
        "The customer's consent",
        "A requester asks only for data that a customer has consented to, or that the law otherwise entitles it to, "
        "says for which purpose and how long, and keeps the proof. The provider checks consent before every "
        "transmission. Consent is withdrawn as easily as it was given; from that moment the provider stops within the "
        "time stated in the service contract, and the requester stops processing and deletes what it may no longer "
        "keep. No service may be made conditional on consent to more data than it needs. A player does not try to "
        "identify a customer behind a pseudonym or an aggregate, and does not join pseudonyms of different origins.",
    ),
    (
        "Offers and equal treatment",
        "A provider publishes an offer only after its platform has passed the integration certification and while the "
        "certificate holds. An offer states everything needed to decide: data, granularity, formats, price, service "
        "levels, area, duration. A provider concludes a contract with every admitted requester that accepts the "
        "offer, on the published terms, and refuses only for a reason it states. An offer changes by a new version, "
        "announced to running subscribers with the notice it states; a running contract keeps its version.",
    ),
    (
        "How a service contract comes about",
        "The Market Place generates the contract from one version of an offer. It binds when the requester and then "
        "the provider have signed its digest and the Market Place has countersigned. A provider may accept "
        "beforehand, by one signature with its contract key, the contracts under named offer versions, up to a number "
        "and until a date; its transport key then signs each. The readable document is made from the signed data; if "
        "they differ, the signed data counts. Both parties can fetch document and signatures as long as the contract "
        "runs and ten years after.",
    ),
    (
        "Statements and the log",
        "Each party states to the Market Place, signed, the steps it takes under a contract: types, times, counts, "
        "never a reading, a name or a point of delivery. The Market Place keeps the statements in a log to which it "
        "can only append and whose entries each party can verify. A transaction is visible to its two parties and to "
        "the auditor, and to nobody else. Statements that both sides made alike prove what happened unless the "
        "contrary is shown.",
    ),
    (
        "Service levels",
        "The figures an offer promises are measured from the statements of both sides and shown in the catalogue. "
        "Announced maintenance of at most eight hours a month does not count. Where a promise is missed, the provider "
        "says why and by when it will be met; a requester that has paid for the service may reduce the price in "
        "proportion.",
    ),
    (
        "Prices and payment",
        "Taking part is free of charge. What a provider asks for a service is stated in the offer and owed by the "
        "requester to the provider directly, within 30 days of an invoice, plus value added tax where due. A price "
        "asked of an eligible party for access to data is reasonable and no more than the law allows. The Market "
        "Place takes no share, carries no advertising and does not track anybody.",
    ),
    (
        "Security",
        "Each player runs its platform with the care that is usual for personal data of this kind: encrypted "
        "transport, access only for those who need it, a second factor for people, updates within a reasonable time. "
        "The log entries needed to investigate an incident are kept for at least one year. Players help each other to "
        "clear up incidents.",
    ),
    (
        "Suspension",
        "The Market Place may suspend a player that endangers customers' data or other players, that no longer meets "
        "the conditions of taking part, or that breaks this contract and does not mend it within 14 days of a "
        "warning. The suspension states its reason, takes effect at once, is announced to the player's contract "
        "partners, and ends when its reason does. Service contracts rest while a party is suspended. Against a "
        "suspension the player may turn to the regulatory authority or a court at any time.",
    ),
    (
        "Liability",
        "Each party is liable without limit for intent and gross negligence, for injury to life, body or health, and "
        "where the law does not allow a limit; nothing here limits what a data subject may claim under Article 82 "
        "GDPR. For other negligence a party is liable only for breach of an essential duty, and for the foreseeable "
        "damage typical of such contracts. The provider passes on readings as it holds them, with their quality "
        "flags; it answers for delivering them unaltered, not for what is done with them. The Market Place is not a "
        "party to service contracts and answers only for its own duties.",
    ),
    (
        "Quitting",
        "A requester may quit a service contract at any time with immediate effect; prices for a period already begun "
        "remain due. It ends by itself on the date it names. A player may quit this contract at any time with 30 "
        "days' notice; its service contracts then end with it. Data received lawfully may be kept after the end as "
        "long as consent or law allows. The duties on data protection, secrecy, proof and liability outlast the "
        "contract.",
    ),
    (
        "Changes of this contract",
        "The Market Place announces a change at least 60 days before it takes effect, as a new version with the "
        "differences shown. Who does not want to sign the new version may quit until then; contracts made before keep "
        "running under the version they name. A change the law requires may take effect earlier.",
    ),
    (
        "Law and disputes",
        "This contract and the service contracts under it are subject to the law of the country of the Market Place, "
        "or for a service contract that of the provider's country, without its conflict rules; mandatory law of the "
        "customer's country remains untouched. The parties first try to settle a dispute within 30 days, using the "
        "log as common ground. Courts at the seat of the defendant have jurisdiction. If a clause is void, the others "
        "stand.",
    ),
)
"""Heading and text of each article, in order; `{marketplace}` and `{environment}` stand for the particulars."""
