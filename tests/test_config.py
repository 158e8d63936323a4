"""accounts.toml: what is read, and what is said about what cannot be."""

import os
import re
from hashlib import sha256
from pathlib import Path

import pytest

from lb import config
from lb.config import ConfigError, parse
from lb.core.prices import Price
from lb.core.secret import Secret
from tests.mistakes import KEY, ONE_MISTAKE, OPENAI

EXAMPLE = Path(__file__).parent.parent / "accounts.example.toml"
CANARY = "sk-canary-9f8e7d6c5b4a39281706f5e4d3c2b1a0"


def mistakes(text: str, folder: Path) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        parse(text, folder)
    return {each.path: f"{each.message} | {each.hint}" for each in caught.value.mistakes}


@pytest.mark.parametrize("name", ONE_MISTAKE)
def test_a_mistake_is_told_with_its_path_and_nothing_else_is(name: str, tmp_path: Path) -> None:
    text, path, words = ONE_MISTAKE[name]
    (tmp_path / "login.json").write_text("{}")
    found = mistakes(text, tmp_path)
    assert list(found) == [path]
    assert words in found[path]


def test_every_mistake_is_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = f"""
    colour = "blue"
    [[keys]]
    name = "x"
    [server]
    port = "1"
    log = "loud"
    {OPENAI}
    weight = 0
    modles = ["x"]
    [[accounts]]
    id = "a"
    kind = "opnai"
    priority = "first"
    api_key_env = "LB_NO_SUCH"
    """
    assert list(mistakes(text, tmp_path)) == [
        "server.port",
        "server.log",
        "accounts[0].modles",
        "accounts[0].weight",
        "accounts[1].priority",
        "accounts[1].kind",
        "accounts[1].api_key_env",
        "accounts[1].id",
        "keys[0]",
        "colour",
    ]


@pytest.mark.parametrize(
    "text",
    [
        f"[[accounts]]\nid = 'a'\nkind = 'openai'\napi_key_env = '{CANARY}'",
        f"[[accounts]]\nid = 'a'\nkind = 'openai'\napi_key_env = 'sk_live_{'a' * 20}'",
        f"[[accounts]]\nid = 'a'\nkind = 'openai'\napi_key_file = '{CANARY}'",
        f"[[accounts]]\nid = '{CANARY} x'\nkind = '{CANARY}'\napi_key = '{CANARY} x'",
        f"[[accounts]]\n'{CANARY}' = '{CANARY}'",
        f"{OPENAI}base_url = 'http://{CANARY}@x/'\nproxy = '{CANARY}'\nlabels = ['{CANARY} x']",
        f"{OPENAI}headers = {{ '{CANARY} x' = 'y', x = '{CANARY}\\u0007' }}",
        f"[[keys]]\nname = 'x'\nkey_sha256 = '{CANARY}'\nmodels = ['{CANARY}[']",
        f"[server]\nhost = '{CANARY}/'\nlog = '{CANARY}'\n[routing]\nstrategy = '{CANARY}'",
        f"[fields]\n'{CANARY}' = 'x'\nuser = {{ '{CANARY}' = '{CANARY}' }}",
    ],
)
def test_no_secret_is_ever_quoted(text: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text, tmp_path)
    told = str(caught.value) + repr(caught.value) + repr(caught.value.mistakes)
    assert CANARY not in told
    assert "sk_live" not in told


def test_secrets_show_in_no_repr_of_the_configuration(tmp_path: Path) -> None:
    text = f"""
    [server]
    admin_token = "{CANARY}1"
    [[accounts]]
    id = "a"
    kind = "openai"
    api_key = "{CANARY}2"
    headers = {{ x = "{CANARY}3" }}
    [[keys]]
    name = "alice"
    key = "{CANARY}4"
    """
    read = parse(text, tmp_path)
    assert CANARY not in repr(read) + str(read)
    account = read.accounts[0]
    assert account.api_key == Secret(f"{CANARY}2")
    assert account.headers["x"].reveal() == f"{CANARY}3"
    assert read.keys[0].digest == sha256(f"{CANARY}4".encode()).digest()
    assert read.server.admin_token == Secret(f"{CANARY}1")


def test_credentials_come_from_variables_and_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_KEY_A", "sk-from-env\n")
    (tmp_path / "b.key").write_text("sk-from-file\n")
    text = """
    [[accounts]]
    id = "a"
    kind = "openai"
    api_key_env = "OPENAI_KEY_A"
    [[accounts]]
    id = "b"
    kind = "openai"
    api_key_file = "b.key"
    """
    read = parse(text, tmp_path)
    keys = [account.api_key.reveal() for account in read.accounts if account.api_key]
    assert keys == ["sk-from-env", "sk-from-file"]
    assert read.secret_files == (tmp_path / "b.key",)


@pytest.mark.parametrize("everything", [False, True], ids=["as shipped", "all comments enabled"])
def test_the_example_is_good(
    everything: bool,  # noqa: FBT001  # pytest passes it by name
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("OPENAI_KEY_A", "ALICE_KEY", "LB_ADMIN_TOKEN", "LB_DATABASE"):
        monkeypatch.setenv(name, f"postgresql://value-of-{name}")
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".codex").mkdir()
    (tmp_path / ".codex/auth.json").write_text("{}")
    (tmp_path / "azure.key").write_text("azure-key")
    text = EXAMPLE.read_text()
    if everything:
        text = re.sub(r"^# (?=\[?\w+(\]| = |\.\"))", "", text, flags=re.MULTILINE)
    read = parse(text, tmp_path)
    assert [account.kind for account in read.accounts] == [
        "openai",
        "chatgpt",
        "azure",
        "compatible",
        "simulated",
    ]
    assert read.accounts[1].base_url == "https://chatgpt.com/backend-api"
    assert read.accounts[1].issuer == "https://auth.openai.com"
    assert [key.name for key in read.keys] == ["alice", "ci"]
    if everything:
        assert read.fields["metadata"] == {"*": "strip"}
        assert read.accounts[0].fields["metadata"] == "strip"
        assert read.accounts[0].takes(frozenset({"previous_response_id", "store"}))
        assert None not in (read.server.admin_token, read.server.database)
        assert read.server.seal_logins is True
        assert read.prices["my_model"] == Price(1.0, 4.0, 0.1)


def test_the_example_shows_every_key() -> None:
    from lb.config import sections as written

    names = {
        each.name
        for section in (
            *(written.ServerText, written.RoutingText, written.AccountText, written.PlanText),
            *(written.BudgetText, written.KeyText, written.LedgerText, written.PriceText),
            written.GatewayText,
            written.ModelText,
        )
        for each in section.__attrs_attrs__
    }
    shown = EXAMPLE.read_text()
    assert [name for name in sorted(names) if not re.search(rf"\b{name}\b", shown)] == []


def test_an_empty_file_is_an_empty_pool(tmp_path: Path) -> None:
    path = tmp_path / "accounts.toml"
    path.touch()
    read = config.load(path)
    assert read.accounts == ()
    assert not read.demo
    assert read.path == path
    assert read.server == config.Server()


def test_without_a_file_there_are_five_simulated_accounts() -> None:
    read = config.load(None)
    assert read.demo
    assert [account.id for account in read.accounts] == [
        "sim-steady-1",
        "sim-steady-2",
        "sim-slow",
        "sim-flaky",
        "sim-limited",
    ]
    assert {account.kind for account in read.accounts} == {"simulated"}


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "accounts.toml"
    path.write_text("\ufeff[server]\nport = 9\n")
    assert config.load(path).server.port == 9


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_file_that_cannot_be_read_is_a_mistake(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "accounts.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"accounts\.toml"):
        config.load(path)


def test_the_configuration_is_found_here_then_at_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, home = tmp_path / "here", tmp_path / "home"
    at_home = home / ".config/lb/accounts.toml"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("HOME", str(home))
    assert config.find() is None
    at_home.parent.mkdir(parents=True)
    at_home.touch()
    assert config.find() == at_home
    Path("accounts.toml").touch()
    assert config.find() == Path("accounts.toml")
    assert config.find(Path("named.toml")) == Path("named.toml")


def test_the_command_line_overrules_the_door(tmp_path: Path) -> None:
    path = tmp_path / "accounts.toml"
    path.write_text("[server]\nhost = '0.0.0.0'\n")
    with pytest.raises(ConfigError, match="no client key"):
        config.load(path)
    read = config.load(path, host="127.0.0.1", port=0)
    assert (read.server.host, read.server.port) == ("127.0.0.1", 0)
    with pytest.raises(ConfigError, match="no client key"):
        config.load(None, host="0.0.0.0")  # noqa: S104  # that is the point
    path.write_text(f"[server]\nhost = '0.0.0.0'\n{KEY}")
    assert config.may_bind(config.load(path))


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("[::1]", True),
        ("localhost", True),
        ("LOCALHOST", True),
        ("", False),
        ("0.0.0.0", False),  # noqa: S104  # that is the point
        ("::", False),
        ("10.0.0.1", False),
        ("localhost.example.com", False),
        ("127.0.0.1.example.com", False),
    ],
)
def test_loopback_is_this_machine_and_nothing_else(host: str, *, loopback: bool) -> None:
    assert config.is_loopback(host) is loopback


def test_the_address_is_told_even_where_variables_are_missing(tmp_path: Path) -> None:
    path = tmp_path / "accounts.toml"
    path.write_text(f"[server]\nport = 9000\n{OPENAI}api_key_env = 'LB_NO_SUCH'\nbad = 1\n")
    assert config.address(path).port == 9000
    assert config.address(tmp_path / "none.toml").port == 8642
    assert config.address(None).port == 8642


def test_warnings_name_what_should_not_stay_so(tmp_path: Path) -> None:
    path = tmp_path / "accounts.toml"
    local = OPENAI.replace('"a"', '"b"') + 'base_url = "http://localhost:1/v1"\n'
    path.write_text(f"[server]\nhost = '0.0.0.0'\n{KEY}{OPENAI}{local}")
    path.chmod(0o644)
    told = "\n".join(config.warnings(config.load(path)))
    for words in ("chmod 600", "b is reached over plain http", "a and b", "TLS", "admin_token"):
        assert words in told
    path.chmod(0o600)
    assert "chmod" not in "\n".join(config.warnings(config.load(path)))
    assert "sk-real" not in told


def test_files_beside_the_configuration_are_found_from_anywhere(tmp_path: Path) -> None:
    text = "[server]\ndata_dir = 'data'\n"
    assert parse(text, tmp_path).server.data_dir == tmp_path / "data"
    home = os.path.expanduser("~")  # noqa: PTH111  # what the module itself does
    assert str(config.Server().data_dir).startswith(home)
