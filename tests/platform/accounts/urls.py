"""A portal with the accounts' pages, a page for operators and one for signers."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path

from meterhall.web.accounts.access import fresh_signer, fresh_signer_required, role_required
from meterhall.web.accounts.urls import account_urls
from meterhall.web.portal.urls import portal_urls


def home(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"home of {request.user}")


@role_required("operator", "staff")
def desk(request: HttpRequest) -> HttpResponse:
    return HttpResponse("the desk")


@fresh_signer_required
def sign(request: HttpRequest) -> HttpResponse:
    signer = fresh_signer(request)
    return JsonResponse({"name": signer.name, "amr": signer.amr, "at": signer.auth_time.timestamp()})


def sign_bare(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"name": fresh_signer(request).name})


urlpatterns = [
    *portal_urls(),
    *account_urls(),
    path("", home),
    path("desk", desk),
    path("sign", sign),
    path("sign-bare", sign_bare),
]
