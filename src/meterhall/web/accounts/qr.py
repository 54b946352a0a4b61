"""A QR code as inline SVG: attributes only, no style, so that the strict CSP lets it through."""

from __future__ import annotations

import qrcode
from django.utils.safestring import SafeString, mark_safe
from qrcode.image.svg import SvgPathFillImage


def qr_svg(text: str) -> SafeString:
    """The picture of `text`, dark on white in every theme; the text is not part of the markup."""
    picture = qrcode.make(text, image_factory=SvgPathFillImage, border=4)
    return mark_safe(picture.to_string(encoding="unicode"))  # noqa: S308 - drawn here, holds no text of others
