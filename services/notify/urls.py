"""The address of a webhook, taken apart."""

from dataclasses import dataclass

import httpx

WEB = ("https:", "http:")
_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class Target:
    """Where a webhook goes: `host` is a name in ASCII, or an address without brackets."""

    scheme: str
    host: str
    port: int
    url: httpx.URL

    @property
    def authority(self) -> str:
        """What the header `Host` says."""
        return self.url.netloc.decode("ascii")

    def at(self, address: str) -> httpx.URL:
        """The same place at an address that was checked."""
        return self.url.copy_with(host=address, port=self.port)


def target_of(url: str) -> Target | None:
    """Where a URL of http or https leads; None for another scheme. Raises ValueError if it leads nowhere."""
    if not url.lower().startswith(WEB):
        return None
    try:
        parsed = httpx.URL(url)
        host = parsed.raw_host.decode("ascii").strip("[]")
    except (httpx.InvalidURL, UnicodeError) as error:
        raise ValueError("url is not a URL") from error
    if not host or any(character in url for character in " \t\r\n"):
        raise ValueError("url is not a URL with a host")
    if parsed.port is not None and not 0 < parsed.port < 65_536:
        raise ValueError(f"url has port {parsed.port}; a port is 1 to 65535")
    return Target(parsed.scheme, host, parsed.port or _PORTS[parsed.scheme], parsed)
