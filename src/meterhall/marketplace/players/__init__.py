"""Players: enrolment, admission, keys, and the attestations by which the Market Place vouches for them."""
