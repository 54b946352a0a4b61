"""Where deliveries are pushed to: an address of its kind, and for files elsewhere one without anything hidden in it."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from meterhall.domain.protocol.agreements import Repository


@pytest.mark.parametrize(
    ("kind", "url"),
    [
        ("https", "https://advisor.example/repository"),
        ("sftp", "sftp://files.advisor.example:2222/in/meterhall"),
        ("sftp", "sftp://files.advisor.example"),
        ("s3", "s3://advisor-deliveries/meterhall/"),
    ],
)
def test_an_address_of_its_kind_is_taken(kind: str, url: str) -> None:
    assert Repository.model_validate({"kind": kind, "url": url}).url == url


@pytest.mark.parametrize(
    ("kind", "url"),
    [
        ("https", "sftp://files.advisor.example/in"),
        ("s3", "https://advisor.example/repository"),
        ("ftp", "ftp://advisor.example/in"),
        ("https", "http://advisor.example/repository"),
        ("sftp", "sftp://me:secret@files.advisor.example/in"),
        ("sftp", "sftp://files.advisor.example/in/../../etc"),
        ("s3", "s3://bucket/in?versionId=1"),
        ("s3", "s3://bucket/%2e%2e/other"),
        ("s3", "s3:///in"),
        ("sftp", "sftp://host//in"),
    ],
)
def test_an_address_of_another_kind_or_with_more_in_it_is_not(kind: str, url: str) -> None:
    with pytest.raises(ValidationError):
        Repository.model_validate({"kind": kind, "url": url})
