"""The address of Vestibule, which is also that of the site as browsers see it."""

from __future__ import annotations

import httpx

from .errors import Misconfigured


def site_of(url: str) -> str:
    """Returns the origin of Vestibule's address, as browsers write it, without a tenant's path.

    Raises `Misconfigured` for what is no address.
    """
    try:
        site = httpx.URL(url)
    except httpx.InvalidURL:
        site = httpx.URL()
    if site.scheme not in ("http", "https") or not site.host:
        raise Misconfigured(
            "The address of Vestibule must be an http or https URL, such as https://chat.example. "
            "Set VESTIBULE_URL to the address that browsers use."
        )
    return f"{site.scheme}://{site.netloc.decode()}"
