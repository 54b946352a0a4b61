"""The addresses of the accounts' pages, the same on every platform's portal."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

from meterhall.web.accounts import enrolment, mine, portal
from meterhall.web.accounts.conf import SIGN_IN_PATH
from meterhall.web.accounts.service import LINK_PATH


def account_urls() -> list[URLPattern | URLResolver]:
    """What a platform's `urls_portal` includes, under the namespace `accounts`."""
    pages = [
        path(SIGN_IN_PATH.removeprefix("/"), portal.sign_in, name="sign_in"),
        path("account/sign-in/passkey", portal.passkey_sign_in, name="passkey_sign_in"),
        path(LINK_PATH, portal.link, name="link"),
        path("account/second-factor", portal.second_factor, name="second_factor"),
        path("account/confirmation", portal.confirm, name="confirm"),
        path("account/factors/app", enrolment.app, name="enrol"),
        path("account/factors/passkey", enrolment.passkey, name="enrol_passkey"),
        path("account/factors/<int:factor_id>/removal", mine.remove_factor, name="remove_factor"),
        path("account/recovery-codes", portal.codes, name="codes"),
        path("account/recovery-codes/new", portal.new_codes, name="new_codes"),
        path("account/password", mine.password, name="password"),
        path("account/sign-out", portal.sign_out, name="sign_out"),
        path("account", mine.mine, name="mine"),
    ]
    return [path("", include((pages, "accounts")))]
