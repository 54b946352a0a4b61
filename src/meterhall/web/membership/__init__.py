"""A player's own relation to the Market Place: enrolment, attestations, the general contract, contract signatures."""
