"""What to do about a reason code, in one sentence. The codes' own sentences stand where they are raised."""

from __future__ import annotations

from typing import Final

OF_CODE: Final = {
    "acceptance_used_up": "Ask the provider to sign this contract, or to renew its standing acceptance.",
    "activation_ended": "Activate the points again.",
    "client_timed_out": "Run it again; it goes on where it stopped.",
    "consent_denied": "The customer said no; leave the point out.",
    "consent_expired": "Ask the customer for a new consent and add the point with it.",
    "consent_missing": "Ask the customer: activate with proof ask_customer, or bring signed evidence.",
    "consent_revoked": "Erase what you hold of the point and ask for it no more.",
    "consent_scope": "Ask for what the consent covers, or ask the customer for a wider one.",
    "contract_ended": "Subscribe to the offer again.",
    "cursor_expired": "Load the curves once more, then follow the changes from there with restart.",
    "delivery_expired": "Ask for the data again.",
    "evidence_assurance": "Bring what the offer accepts, or activate with proof ask_customer.",
    "evidence_holder": "Check whose consent it is: the point is held by somebody else.",
    "evidence_unknown": "Bring the evidence first.",
    "forecast_day": "Ask for the day after today, that day alone.",
    "forecast_missing": "Tell the provider; ask again later.",
    "forecast_too_many": "Name fewer pseudonyms, and ask for the others in a second request.",
    "format_not_offered": "Leave the format to the client, or name one of the offer's.",
    "general_contract_unsigned": "Have a signer sign the general contract: meterhall client terms.",
    "granularity_unavailable": "Ask for a coarser granularity.",
    "group_granularity": "Ask for the granularity that the group was given in before.",
    "group_too_small": "Take more points into the group.",
    "history_too_old": "Wait for readings, or ask why none came in the last week.",
    "history_too_short": "Wait until the customer has held the point for two weeks and more.",
    "invalid_client": "Wait until the Market Place has admitted you and the contract is in force.",
    "item_removed": "Add the point again, if it is wanted after all.",
    "month_not_begun": "Ask for days up to the present month.",
    "moved_out": "Ask the present holder, or for the days of the former one.",
    "no_contract": "Wait until the provider has taken the contract in, or subscribe again.",
    "no_client": "Make one: meterhall client init.",
    "not_enrolled": "Enrol first: meterhall client enrol.",
    "nothing_accepted": "Look at the answers: no point of this activation may be read.",
    "offer_unavailable": "Search again: the offer was withdrawn or has a newer version.",
    "parameter_unknown": "Leave the parameter out, or look up its name in the reference.",
    "period_missing": "Name the period: historical data needs one.",
    "period_unavailable": "Ask for days on which the customer held the point.",
    "player_not_admitted": "Wait until the Market Place's operator has admitted you.",
    "pod_check_failed": "Compare the number with the bill; a digit is wrong.",
    "pod_duplicate": "Name the point once.",
    "pod_invalid": "Compare the number with the bill.",
    "pod_unknown": "Compare the number with the bill, or localise it again.",
    "remote_unreachable": "Try again later; nothing is lost.",
    "scope_exceeds_offer": "Ask for what the offer has: period, granularities and directions.",
    "signer_not_fresh": "Open the contract key again and sign within five minutes.",
    "wrong_passphrase": "Type the passphrase again; it cannot be recovered.",
}
OF_STATUS: Final = {
    401: "Check the access number and the transport key of this client.",
    403: "Ask the other side what you may do.",
    404: "Check the id; it is unknown here, or not yours.",
    409: "Look at the state of the thing, then decide.",
    410: "It has ended; look for what follows it.",
    413: "Send less at a time.",
    422: "Correct what is named.",
    429: "Wait as long as it says, then go on.",
}


def advice_for(code: str, status: int = 0) -> str:
    """What to do about a code; of an unknown one by its HTTP status; empty where there is nothing to say."""
    if code in OF_CODE:
        return OF_CODE[code]
    return OF_STATUS.get(status, "Try again later; nothing is lost." if status >= 500 else "")
