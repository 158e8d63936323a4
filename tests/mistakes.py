"""Every mistake one can make in accounts.toml: the text, where it is, words of what is told."""

from hashlib import sha256

OPENAI = """
[[accounts]]
id = "a"
kind = "openai"
api_key = "sk-real-enough"
"""
KEY = """
[[keys]]
name = "alice"
key = "lb-alice-1234"
"""

ONE_MISTAKE = {
    "broken TOML": ("[server\n", "accounts.toml", "line 1"),
    "unknown section": ("[servre]\nport = 1", "servre", 'did you mean "server"'),
    "unknown server key": ("[server]\nhots = 'x'", "server.hots", 'did you mean "host"'),
    "unknown account key": (f"{OPENAI}wieght = 1", "accounts[0].wieght", '"weight"'),
    "unknown key key": (f"{KEY}modles = []", "keys[0].modles", '"models"'),
    "one account, not a list": ("[accounts]\nid = 'a'", "accounts", "[[double brackets]]"),
    "unknown timeout": (
        f"{OPENAI}timeouts = {{ conect_s = 1 }}",
        "accounts[0].timeouts.conect_s",
        "connect_s",
    ),
    "port is text": ("[server]\nport = '1'", "server.port", "a whole number, not a text"),
    "port is a boolean": ("[server]\nport = true", "server.port", "a whole number, not true"),
    "port out of range": ("[server]\nport = 70000", "server.port", "from 0 to 65535"),
    "time is a date": ("[server]\ndrain_s = 2020-01-01", "server.drain_s", "not a date"),
    "time is not finite": ("[server]\ndrain_s = nan", "server.drain_s", "finite"),
    "keepalive of zero": ("[server]\nkeepalive_s = 0", "server.keepalive_s", "more than 0"),
    "no body at all": ("[server]\nmax_body_mb = 0", "server.max_body_mb", "from 1 to"),
    "log of a kind unknown": ("[server]\nlog = 'jsno'", "server.log", 'did you mean "json"'),
    "log level": ("[server]\nlog_level = 'loud'", "server.log_level", "one of: debug"),
    "host with a scheme": (f"{KEY}[server]\nhost = 'http://x'", "server.host", "an address"),
    "strategy": ("[routing]\nstrategy = 'balancd'", "routing.strategy", '"balanced"'),
    "no id": (OPENAI.replace('id = "a"', ""), "accounts[0].id", "is missing"),
    "id with a space": (OPENAI.replace('"a"', '"a b"'), "accounts[0].id", "no usable name"),
    "id twice": (OPENAI + OPENAI.replace("enough", "enough2"), "accounts[1].id", "accounts[0].id"),
    "no kind": (OPENAI.replace('kind = "openai"', ""), "accounts[0].kind", "is missing"),
    "kind unknown": (OPENAI.replace('"openai"', '"opnai"'), "accounts[0].kind", '"openai"?'),
    "models is a text": (f"{OPENAI}models = 'gpt-*'", "accounts[0].models", "a list of texts"),
    "a model is a number": (f"{OPENAI}models = ['a', 5]", "accounts[0].models[1]", "a text"),
    "an empty glob": (f"{OPENAI}models = ['']", "accounts[0].models[0]", "a pattern"),
    "a broken glob": (f"{OPENAI}models = ['gpt-[45']", "accounts[0].models[0]", "broken"),
    "weight of zero": (f"{OPENAI}weight = 0", "accounts[0].weight", "more than 0"),
    "negative weight": (f"{OPENAI}weight = -1.5", "accounts[0].weight", "not -1.5"),
    "nothing in flight": (f"{OPENAI}max_in_flight = 0", "accounts[0].max_in_flight", "1 or more"),
    "half a request": (f"{OPENAI}max_in_flight = 1.5", "accounts[0].max_in_flight", "whole"),
    "supports": (f"{OPENAI}supports = ['stores']", "accounts[0].supports[0]", '"store"'),
    "label": (f"{OPENAI}labels = ['']", "accounts[0].labels[0]", "is missing"),
    "no time to connect": (
        f"{OPENAI}timeouts = {{ connect_s = 0 }}",
        "accounts[0].timeouts.connect_s",
        "more",
    ),
    "simulation elsewhere": (f"{OPENAI}simulation = {{}}", "accounts[0].simulation", "simulated"),
    "issuer elsewhere": (f"{OPENAI}issuer = 'https://x'", "accounts[0].issuer", "chatgpt"),
    "share above one": (
        "[[accounts]]\nid = 's'\nkind = 'simulated'\nsimulation = { fail_share = 2 }",
        "accounts[0].simulation.fail_share",
        "from 0 to 1",
    ),
    "plain http": (f"{OPENAI}base_url = 'http://api.openai.com'", "accounts[0].base_url", "https"),
    "no URL": (f"{OPENAI}base_url = 'api.openai.com'", "accounts[0].base_url", "must be a URL"),
    "bad port": (f"{OPENAI}base_url = 'https://x:y/'", "accounts[0].base_url", "must be a URL"),
    "bad IPv6": (f"{OPENAI}base_url = 'https://[::1/'", "accounts[0].base_url", "must be a URL"),
    "password in a URL": (
        f"{OPENAI}base_url = 'https://u:p@x/'",
        "accounts[0].base_url",
        "password",
    ),
    "query in a URL": (f"{OPENAI}base_url = 'https://x/?a=1'", "accounts[0].base_url", "no ?"),
    "socks": (f"{OPENAI}proxy = 'socks5://x'", "accounts[0].proxy", "HTTP proxy"),
    "header name": (
        f"{OPENAI}headers = {{ 'a b' = 'c' }}",
        "accounts[0].headers.a b",
        "name of a header",
    ),
    "header value": (
        f'{OPENAI}headers = {{ a = "c\\r\\nd" }}',
        "accounts[0].headers.a",
        "no header",
    ),
    "header number": (f"{OPENAI}headers = {{ a = 1 }}", "accounts[0].headers.a", "a text"),
    "no key": (
        OPENAI.replace('api_key = "sk-real-enough"', ""),
        "accounts[0].api_key",
        "api_key_env",
    ),
    "empty key": (OPENAI.replace("sk-real-enough", " "), "accounts[0].api_key", "is empty"),
    "changeme": (
        OPENAI.replace("sk-real-enough", "ChangeMe"),
        "accounts[0].api_key",
        "placeholder",
    ),
    "dots": (OPENAI.replace("sk-real-enough", "sk-..."), "accounts[0].api_key", "placeholder"),
    "angles": (
        OPENAI.replace("sk-real-enough", "<your key>"),
        "accounts[0].api_key",
        "placeholder",
    ),
    "key of two lines": (
        OPENAI.replace("real-", "real\\n"),
        "accounts[0].api_key",
        "no HTTP header",
    ),
    "variable not set": (
        OPENAI.replace('api_key = "sk-real-enough"', 'api_key_env = "LB_NO_SUCH"'),
        "accounts[0].api_key_env",
        "LB_NO_SUCH is not set",
    ),
    "file not there": (
        OPENAI.replace('api_key = "sk-real-enough"', 'api_key_file = "no.key"'),
        "accounts[0].api_key_file",
        "No such file",
    ),
    "two credentials": (f"{OPENAI}api_key_env = 'HOME'", "accounts[0].api_key_env", "given twice"),
    "azure is nowhere": (
        OPENAI.replace('"openai"', '"azure"'),
        "accounts[0].base_url",
        "is missing",
    ),
    "compatible is nowhere": (
        OPENAI.replace('"openai"', '"compatible"'),
        "accounts[0].base_url",
        "is missing",
    ),
    "login and key": (
        "[[accounts]]\nid = 'c'\nkind = 'chatgpt'\nauth_file = 'login.json'\napi_key = 'x'",
        "accounts[0].auth_file",
        "given twice",
    ),
    "chatgpt without login": (
        "[[accounts]]\nid = 'c'\nkind = 'chatgpt'",
        "accounts[0].auth_file",
        "codex login",
    ),
    "chatgpt login not there": (
        "[[accounts]]\nid = 'c'\nkind = 'chatgpt'\nauth_file = 'no.json'",
        "accounts[0].auth_file",
        "cannot be read",
    ),
    "client without key": ("[[keys]]\nname = 'x'", "keys[0]", "has no key"),
    "client without name": (KEY.replace('name = "alice"', ""), "keys[0].name", "is missing"),
    "client name twice": (KEY + KEY.replace("1234", "5678"), "keys[1].name", "keys[0].name"),
    "client key twice": (
        KEY + KEY.replace('"alice"', '"bob"'),
        "keys[1]",
        "already used at keys[0]",
    ),
    "key given two ways": (f"{KEY}key_sha256 = '{'ab' * 32}'", "keys[0].key_sha256", "given twice"),
    "short digest": ("[[keys]]\nname = 'x'\nkey_sha256 = 'abcd'", "keys[0].key_sha256", "64 hex"),
    "digest of nothing": (
        f"[[keys]]\nname = 'x'\nkey_sha256 = '{sha256(b'').hexdigest()}'",
        "keys[0].key_sha256",
        "empty",
    ),
    "no label at all": ("[metrics]\nlabel_values = 0", "metrics.label_values", "from 1"),
    "endpoint": ("[otel]\nendpoint = 'otel:4318'", "otel.endpoint", "must be a URL"),
    "sample": ("[otel]\nsample = 1.5", "otel.sample", "from 0 to 1"),
    "webhook in clear": ("[alerts]\nwebhook = 'http://x.com/y'", "alerts.webhook", "https"),
    "webhook is no URL": ("[alerts]\nwebhook = 'hooks'", "alerts.webhook", "must be a URL"),
    "webhook of a kind unknown": ("[alerts]\nkind = 'slak'", "alerts.kind", '"slack"'),
    "error share": ("[alerts]\nerror_share = 25.0", "alerts.error_share", "from 0 to 1"),
    "verdict": ("[fields]\nuser = { openai = 'drop' }", "fields.user.openai", "one of: pass"),
    "verdict for no kind": (
        "[fields]\nuser = { opena = 'strip' }",
        "fields.user.opena",
        '"openai"',
    ),
    "file_id cannot be stripped": (
        "[fields]\nfile_id = { openai = 'strip' }",
        "fields.file_id.openai",
        "reject",
    ),
    "verdict is no table": ("[fields]\nuser = 'strip'", "fields.user", "a table"),
    "open door": ("[server]\nhost = '0.0.0.0'", "server.host", "no client key"),
    "empty admin token": ("[server]\nadmin_token = ''", "server.admin_token", "is empty"),
    "admin token is a client key": (
        f"[server]\nadmin_token = 'lb-alice-1234'\n{KEY}",
        "server.admin_token",
        "client",
    ),
}
