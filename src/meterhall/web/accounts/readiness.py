"""Who has to be there before a platform goes live."""

from __future__ import annotations

from meterhall.web.accounts.models import Person
from meterhall.web.check import ToDo, before_live
from meterhall.web.platform import platform


@before_live("people")
def people() -> str:
    """Somebody who may act: an operator at the Market Place, a signer elsewhere."""
    role = "operator" if platform().role == "marketplace" else "signer"
    able = [one for one in Person.objects.filter(is_active=True) if role in one.roles]
    if not able:
        raise ToDo(
            f"invite {'an' if role == 'operator' else 'a'} {role}: "
            f"meterhall {platform().role} invite --home {platform().home.path} EMAIL --name NAME --role {role}"
        )
    return f"{len(able)} {role}{'' if len(able) == 1 else 's'}"
