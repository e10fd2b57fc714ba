"""Where `tpp serve` listens, with TLS and without, and what keeps it from starting."""

import os
import re
import resource
import socket
import ssl
import subprocess
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from installed import INSTALLED
from server_raw import HOST, Raw, small
from waiting import PATIENCE
from web_run import TPP, served

from services.cli.commands import main


@pytest.fixture
def ledger(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'ledger.db'}"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a certificate of localhost and its key, another key, and an encrypted one."""
    folder = tmp_path_factory.mktemp("tls")
    key, other = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    for file, one, locked in (
        ("key.pem", key, plain),
        ("other.pem", other, plain),
        ("locked.pem", key, serialization.BestAvailableEncryption(b"secret")),
    ):
        pem = one.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked)
        (folder / file).write_bytes(pem)
    return folder


def refused(ledger: str, *words: str, env: dict[str, str] | None = None) -> str:
    """The sentence with which `tpp serve` refuses to start, exit 2; in this process, which is quicker."""
    without = dict.fromkeys(name for name in os.environ if name.startswith("TPP_"))
    ran = CliRunner().invoke(main, ["serve", "--ledger", ledger, *words], env=without | (env or {}))
    assert isinstance(ran.exception, SystemExit), ran.exception
    assert ran.exit_code == 2, ran.stderr
    assert ran.stdout == ""
    return ran.stderr


@pytest.mark.parametrize(
    ("listen", "url"),
    [("127.0.0.1:0", r"http://127\.0\.0\.1:\d+"), ("localhost:0", r"http://(127\.0\.0\.1|\[::1\]):\d+"), ("127.1.2.3:0", r"http://127\.1\.2\.3:\d+"), ("[::1]:0", r"http://\[::1\]:\d+")],
)  # fmt: skip
def test_it_says_where_it_listens(ledger: str, listen: str, url: str) -> None:
    if "::" in listen and not socket.has_ipv6:
        pytest.skip("no IPv6")
    with served(ledger, "--listen", listen) as running:
        assert re.fullmatch(url, running.url)
        assert httpx.get(running.url + "/nowhere", timeout=PATIENCE).status_code == 404  # the address is a known host
        assert running.stop() == 0


def test_the_option_beats_the_setting(ledger: str) -> None:
    with served(ledger, env={"TPP_LISTEN": "nonsense"}) as running:
        assert running.url.startswith("http://127.0.0.1:")
    assert "'nonsense' is not HOST:PORT" in refused(ledger, env={"TPP_LISTEN": "nonsense"})


@pytest.mark.parametrize(
    "listen", ["8080", ":8080", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536", "127.0.0.1:-1", "::1:80", "[]:80", "127.0.0.1:٣"]
)  # fmt: skip
def test_an_address_that_is_none_is_refused(ledger: str, listen: str) -> None:
    assert f"{listen!r} is not HOST:PORT" in refused(ledger, "--listen", listen)


def test_a_port_that_is_taken_is_refused(ledger: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        ran = subprocess.run(
            [TPP, "serve", "--ledger", ledger, "--listen", address],
            check=False,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
    said = f"Error: cannot listen on {address}: Address already in use\n"
    assert (ran.returncode, ran.stdout, ran.stderr) == (2, "", said)


def test_an_address_that_is_not_here_is_refused(ledger: str) -> None:
    env = {"TPP_INSECURE": "1"}
    assert "cannot listen on 192.0.2.1:8080" in refused(ledger, "--listen", "192.0.2.1:8080", env=env)
    assert "cannot listen on no.such.host.invalid:80" in refused(ledger, "--listen", "no.such.host.invalid:80", env=env)


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "host.example:0", "127.1:0"])
def test_what_others_can_reach_needs_tls(ledger: str, listen: str) -> None:
    said = refused(ledger, "--listen", listen)
    assert "--tls-cert and --tls-key, or set TPP_INSECURE=1" in said
    assert "--tls-cert and --tls-key" in refused(ledger, "--listen", listen, env={"TPP_INSECURE": "0"})


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "[::]:0"])
def test_a_proxy_may_do_tls(ledger: str, listen: str) -> None:
    with served(ledger, "--listen", listen, env={"TPP_INSECURE": "1", "TPP_HOSTS": "quota.example"}) as running:
        port = running.url.rpartition(":")[2]
        assert running.url == f"http://{listen[:-2]}:{port}"
        running.url = f"http://127.0.0.1:{port}"
        with closing(Raw(running)) as raw:
            assert raw.request("GET", "/nowhere", host=b"Host: quota.example\r\n").status == 404
            assert raw.request("GET", "/nowhere").status == 421


def test_a_host_that_is_none_is_refused(ledger: str) -> None:
    assert "TPP_HOSTS: 'https://quota.example' is not the name of a host" in refused(
        ledger, env={"TPP_HOSTS": "localhost,https://quota.example"}
    )


def test_tls_is_served(ledger: str, files: Path) -> None:
    words = ("--tls-cert", str(files / "cert.pem"), "--tls-key", str(files / "key.pem"))
    trust = ssl.create_default_context(cafile=files / "cert.pem")
    with served(ledger, *words, "--listen", "0.0.0.0:0") as running, ExitStack() as opened:
        running.url = running.url.replace("0.0.0.0", "127.0.0.1")
        assert running.url.startswith("https://")
        for _ in range(3):
            raw = opened.enter_context(closing(Raw(running, trust)))
            for _ in range(3):
                assert raw.request("GET", "/health/live").json == {"status": "live"}
        assert raw.request("POST", "/nowhere", body=b"x" * 200_000).status == 404
        assert raw.rest() == b""
        plain = opened.enter_context(closing(Raw(running)))
        assert b"HTTP" not in plain.send(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n").rest()
        opened.enter_context(closing(Raw(running)))  # never says anything
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
        old.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.deprecated_call():
            old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
        with pytest.raises((ssl.SSLError, ConnectionResetError)):
            Raw(running, old)
        assert running.stop() == 0
    assert not any("Traceback" in line for line in running.lines)


def test_a_handshake_that_does_not_come_ends_and_counts(ledger: str, files: Path) -> None:
    limits = {"arrive": 1.5, "idle": 20.0}
    env = {"TPP_CONNECTIONS": "5"}
    words = ("--tls-cert", str(files / "cert.pem"), "--tls-key", str(files / "key.pem"))
    trust = ssl.create_default_context(cafile=files / "cert.pem")
    with small(ledger, env, words=words, **limits) as running, ExitStack() as opened:
        silent = [opened.enter_context(closing(Raw(running))) for _ in range(5)]
        beyond = opened.enter_context(closing(Raw(running, trust)))
        assert beyond.request("GET", "/health/live").kind == "connections-exceeded"
        assert [raw.rest() for raw in silent] == [b""] * 5
        raw = opened.enter_context(closing(Raw(running, trust)))
        assert raw.request("GET", "/health/live").status == 200
        raw.send(b"POST /test/body HTTP/1.1\r\n" + HOST + b"Content-Length: 10\r\n\r\n")
        assert raw.answer().kind == "request-timeout"


@pytest.mark.parametrize(
    ("cert", "key", "said"),
    [
        ("cert.pem", None, "--tls-cert needs --tls-key too"),
        (None, "key.pem", "--tls-key needs --tls-cert too"),
        ("none.pem", "key.pem", "cannot read --tls-cert {none.pem}: No such file or directory"),
        ("cert.pem", "none.pem", "cannot read --tls-key {none.pem}: No such file or directory"),
        ("cert.pem", ".", "cannot read --tls-key {.}: Is a directory"),
        ("cert.pem", "other.pem", "--tls-key {other.pem} is not the key of --tls-cert {cert.pem}"),
        ("cert.pem", "locked.pem", "--tls-key {locked.pem} is encrypted"),
        ("key.pem", "key.pem", "--tls-cert {key.pem} and --tls-key {key.pem} are not a certificate and a key"),
        ("cert.pem", "cert.pem", "--tls-cert {cert.pem} and --tls-key {cert.pem} are not a certificate and a key"),
    ],
)
def test_files_that_cannot_be_used_are_refused(
    ledger: str, files: Path, cert: str | None, key: str | None, said: str
) -> None:
    words = [*(("--tls-cert", str(files / cert)) if cert else ()), *(("--tls-key", str(files / key)) if key else ())]
    told = " ".join(refused(ledger, "--listen", "127.0.0.1:0", *words).split())
    assert re.sub(r"\{(.*?)\}", lambda name: str(files / name[1]), said) in told


def test_the_files_that_may_be_open_are_raised(ledger: str) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2_200:
        pytest.skip("the system allows too few files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        with served(ledger, program=(INSTALLED, "serve")) as running:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            assert resource.prlimit(running.process.pid, resource.RLIMIT_NOFILE) == (2_200, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_too_few_files_end_nothing(ledger: str) -> None:
    """Where the system allows fewer files than connections, the rest wait."""
    with served(ledger, program=(INSTALLED, "serve")) as running, ExitStack() as opened:
        resource.prlimit(running.process.pid, resource.RLIMIT_NOFILE, (60, 60))
        every = [opened.enter_context(closing(Raw(running))) for _ in range(80)]
        assert every[0].request("GET", "/health/live").status == 200
        for raw in every[:60]:
            raw.close()
        assert every[-1].request("GET", "/health/live").status == 200
        assert running.stop() == 0
