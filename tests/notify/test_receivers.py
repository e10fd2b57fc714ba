"""The file that says who is told of what: each mistake is a sentence with the file and the receiver."""

import base64
import subprocess
from pathlib import Path

import pytest
from installed import TPP
from notify_run import ENVIRONMENT, KEY, plain, receivers, table

from services.failure import Failure
from services.notify.receivers import read_receivers

HOOK = "https://hooks.example/tpp"
SIGNED = 'secret_env = "HOOK_SECRET"'


def test_a_file_as_the_contract_shows_it(tmp_path: Path) -> None:
    (one,) = receivers(
        tmp_path,
        table(
            "quota desk",
            HOOK,
            SIGNED,
            'types = ["quota.alert", "shipment.held", "obligation.due"]',
            'account = "lpp/*"',
        ),
    )
    assert (one.name, one.url, one.secret, one.account) == ("quota desk", HOOK, KEY, "lpp/*")
    assert one.types == {"tpp.quota.alert.v1", "tpp.shipment.held.v1", "tpp.obligation.due.v1"}
    assert one.target is not None
    assert (one.target.host, one.target.port, one.target.authority) == ("hooks.example", 443, "hooks.example")


def test_without_types_and_account_a_receiver_gets_everything(tmp_path: Path) -> None:
    web, mail = receivers(
        tmp_path, table("web", HOOK, SIGNED), table("mail", "mailto://user:word@mail.example?to=desk@quota.example")
    )
    assert (web.types, web.account, web.allow_private) == (None, None, False)
    assert (mail.target, mail.secret) == (None, b"")


@pytest.mark.parametrize(
    ("tables", "says"),
    [
        ([], "names no receiver; each is a table [[to]] with name and url"),
        (["to = 3"], "names no receiver; each is a table [[to]] with name and url"),
        (["to = [3]"], "receiver 1: it"),
        (["[[too]]\nname = 'x'"], "too is not known; each receiver is a table [[to]]"),
        (["[[to]"], "is not TOML: "),
        (['[[to]]\nname = "a"'], "receiver 'a': url is missing"),
        ([f'[[to]]\nurl = "{HOOK}"'], "receiver 1: name is missing"),
        ([table("", HOOK, SIGNED)], "receiver 1: name must be 1 to 64 characters on one line"),
        ([table("a", HOOK, SIGNED), table("a", HOOK, SIGNED)], "two receivers are named 'a'"),
        ([table("a", HOOK, SIGNED, 'typs = ["quota.alert"]')], "receiver 'a': typs is not known; did you mean types?"),
        ([table("a", HOOK, SIGNED, "colour = 3")], "receiver 'a': colour is not known; known: name, url, secret_env"),
        ([table("a", HOOK, SIGNED, 'types = "quota.alert"')], "receiver 'a': types must be a list of strings"),
        ([table("a", HOOK, SIGNED, "types = []")], "receiver 'a': types is empty; leave it out for every type"),
        ([table("a", HOOK, SIGNED, "types = [3]")], "receiver 'a': types must be a list of strings"),
        ([table("a", HOOK, SIGNED, 'types = ["quota.alerts"]')], "did you mean quota.alert?"),
        ([table("a", HOOK, SIGNED, 'types = ["x"]')], "receiver 'a': 'x' is not a type of event: event.recorded, "),
        ([table("a", HOOK, SIGNED, 'types = ["shipment.requested"]')], "'shipment.requested' is not a type of event"),
        (
            [table("a", HOOK, SIGNED, 'account = "lp/*"')],
            "receiver 'a': no account matches 'lp/*'; did you mean lpp/*?",
        ),
        ([table("a", HOOK, SIGNED, 'allow_private = "yes"')], "receiver 'a': allow_private must be true or false"),
        ([table("a", HOOK)], "receiver 'a': secret_env is missing; it names the environment variable"),
        ([table("a", HOOK, 'secret_env = "NO_SUCH"')], "the environment variable NO_SUCH of secret_env is not set"),
        ([table("a", "http://hooks.example", SIGNED)], "url begins with http:, which is not encrypted"),
        ([table("a", "https://127.0.0.1/", SIGNED)], "127.0.0.1 is not a public address; set allow_private = true"),
        ([table("a", "https://[::ffff:10.0.0.1]/", SIGNED)], "::ffff:10.0.0.1 is not a public address"),
        ([table("a", "https://LOCALHOST:8443/", SIGNED)], "localhost is not a public address"),
        ([table("a", "https://", SIGNED)], "receiver 'a': url is not a URL with a host"),
        ([table("a", "https://a b/", SIGNED)], "receiver 'a': url is not a URL with a host"),
        ([table("a", "https://a.example:99999/", SIGNED)], "receiver 'a': url "),
        ([table("a", "hooks.example", SIGNED)], "url must be https://… for a webhook, or a URL of apprise"),
        ([table("a", "bogus://x")], "receiver 'a': apprise cannot send to this bogus:// URL"),
        ([table("a", "mailto://u:p@mail.example", SIGNED)], "receiver 'a': secret_env is for webhooks"),
    ],
)
def test_a_mistake_is_a_sentence(tmp_path: Path, tables: list[str], says: str) -> None:
    with pytest.raises(Failure) as found:
        receivers(tmp_path, *tables)
    assert str(found.value).startswith(str(tmp_path / "notify.toml"))
    assert says in str(found.value)


@pytest.mark.parametrize(
    "secret",
    [
        "whsec_", "whsec_!!!!", base64.b64encode(KEY).decode(), f"whsec_{base64.b64encode(bytes(23)).decode()}",
        f"whsec_{base64.b64encode(bytes(65)).decode()}", f"WHSEC_{base64.b64encode(KEY).decode()}",
        f"whsec_{base64.b64encode(KEY).decode()} ", "hunter2",
    ],
)  # fmt: skip
def test_a_secret_that_is_none_is_not_repeated(tmp_path: Path, secret: str) -> None:
    file = tmp_path / "notify.toml"
    file.write_text(table("a", HOOK, SIGNED))
    with pytest.raises(Failure) as found:
        read_receivers(str(file), {"HOOK_SECRET": secret})
    meant = "must be whsec_ and the base64 of 24 to 64 random bytes"
    assert str(found.value) == f"{file}: receiver 'a': the secret in HOOK_SECRET {meant}"


@pytest.mark.parametrize("size", [24, 32, 64])
def test_a_secret_has_24_to_64_bytes(tmp_path: Path, size: int) -> None:
    file = tmp_path / "notify.toml"
    file.write_text(table("a", HOOK, SIGNED))
    for text in (base64.b64encode(bytes(size)).decode(), base64.b64encode(bytes(size)).decode().rstrip("=")):
        (one,) = read_receivers(str(file), {"HOOK_SECRET": f"whsec_{text}"})
        assert one.secret == bytes(size)


def test_private_places_are_taken_with_allow_private(tmp_path: Path) -> None:
    one, _ = receivers(
        tmp_path,
        table("a", "http://127.0.0.1:8000/x", SIGNED, "allow_private = true"),
        table("b", "https://10.1.2.3/x", SIGNED, "allow_private = true"),
    )
    assert one.target is not None
    assert (one.target.host, one.target.port) == ("127.0.0.1", 8000)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    for name in (None, ""):
        with pytest.raises(Failure, match="TPP_NOTIFY is not set; name the file"):
            read_receivers(name, ENVIRONMENT)
    with pytest.raises(Failure, match=r"cannot read .*nowhere.toml of TPP_NOTIFY: No such file"):
        read_receivers(str(tmp_path / "nowhere.toml"), ENVIRONMENT)
    (tmp_path / "latin.toml").write_bytes("[[to]]\nname = 'Zürich'".encode("latin-1"))
    with pytest.raises(Failure, match=r"latin.toml is not UTF-8; save it in UTF-8"):
        read_receivers(str(tmp_path / "latin.toml"), ENVIRONMENT)


def test_without_the_extra_an_apprise_url_says_what_to_install(tmp_path: Path) -> None:
    """A folder first on the path whose `apprise` fails to import, as one that is not installed does."""
    (tmp_path / "apprise.py").write_text("raise ModuleNotFoundError('No module named apprise')")
    (tmp_path / "notify.toml").write_text(table("mail", "mailto://u:p@mail.example"))
    done = subprocess.run(
        [TPP, "notify", "--ledger", "sqlite:///l.db"],
        cwd=tmp_path,
        env=plain() | {"TPP_NOTIFY": "notify.toml", "PYTHONPATH": f"{tmp_path}:{plain().get('PYTHONPATH', '')}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == (
        "Error: notify.toml: receiver 'mail': url is one of apprise, which is not installed; "
        "install tpp-quota-ledger with its extra notify\n"
    )
    assert not (tmp_path / "l.db").exists()
