"""Who is compared, and how each is started. All listen on 127.0.0.1 and log to the run's folder."""

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import venv
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from attrs import define, field

from bench import processes

KEY = "bench-client-key-0123456789"
PATH = "/v1/responses"
START_S = 90.0  # how long a contender may take to give its first good answer
ROOT = Path(__file__).parent.parent


class AbsentError(Exception):
    """A contender that is not on this machine; says what to do."""


@define(eq=False)
class Contender:
    """One way to the upstream, running. ``start_s``: from its start to the first good answer."""

    name: str
    port: int
    process: subprocess.Popen[bytes] | None = None
    start_s: float = 0.0
    log: Path | None = None
    pids: list[int] = field(factory=list)

    def find_pids(self) -> None:
        """Look who belongs to it now."""
        self.pids = processes.tree(self.process.pid) if self.process else []

    def stop(self) -> None:
        """End it, and only it."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


_LB = "import sys; sys.path[0] = {tree!r}; from lb.cli import main; main(prog_name='lb')"
"""``python -m lb``, of the checkout ``tree``."""

Maker = Callable[[Path, int, int], list[str]]
"""(its folder, its port, the upstream's port) -> the command that runs it."""


def started(name: str, make: Maker, folder: Path, upstream: int, probe: bytes) -> Contender:
    """Run a contender on the proxy's core until it has given a good answer.

    Raises: AbsentError when it is not installed or does not come up.
    """
    folder.mkdir(parents=True)
    port = _free_port()
    command = make(folder, port, upstream)
    log = folder / "log"
    began = time.monotonic()
    with log.open("wb") as out, processes.on(processes.PROXY_CORES):
        process = subprocess.Popen(  # noqa: S603  # our own commands
            command, cwd=ROOT, env=_usual(), stdin=subprocess.DEVNULL, stdout=out, stderr=out
        )
    contender = Contender(name, port, process, log=log)
    answered = False
    try:
        while not answered and process.poll() is None and time.monotonic() - began < START_S:
            answered = _answers(port, probe)
            time.sleep(0 if answered else 0.005)
    finally:
        if not answered:  # who has no more patience leaves nothing behind
            contender.stop()
    if not answered:
        raise AbsentError(f"{name} does not come up: {log.read_text()[-600:]}")
    contender.start_s = time.monotonic() - began
    contender.find_pids()
    return contender


def _usual() -> dict[str, str]:
    """The environment; Python may keep what it compiled, as it does of what pip installs."""
    unusual = "PYTHONDONTWRITEBYTECODE"  # a checkout would be compiled at each of its starts
    return {name: value for name, value in os.environ.items() if name != unusual}


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def _answers(port: int, probe: bytes) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    try:
        connection.request("POST", PATH, probe, headers)
        answer = connection.getresponse()
        return answer.status == 200 and b"resp_" in answer.read()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def nginx(folder: Path, port: int, upstream: int) -> list[str]:
    """One worker, buffering off both ways, no log. Raises: AbsentError."""
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if program is None:
        raise AbsentError("nginx is not installed (Debian, Ubuntu: apt-get install nginx-light)")
    user = "user root;" if os.geteuid() == 0 else ""
    config = f"""
{user} worker_processes 1; daemon off; pid {folder}/pid; error_log stderr error;
events {{ worker_connections 18000; }}
http {{
  access_log off; client_max_body_size 0; client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi; keepalive_requests 1000000000;
  upstream pool {{
    server 127.0.0.1:{upstream}; keepalive 512; keepalive_requests 1000000000;
  }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{
      proxy_pass http://pool; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_buffering off; proxy_request_buffering off; proxy_read_timeout 600s;
    }}
  }}
}}
"""
    (folder / "nginx.conf").write_text(config)
    return [program, "-c", str(folder / "nginx.conf"), "-p", str(folder)]


def floor(_: Path, port: int, upstream: int) -> list[str]:
    """The bare relay of ``bench/floor.py``."""
    return [sys.executable, "-m", "bench.floor", str(port), f"http://127.0.0.1:{upstream}"]


def lb(accounts: int = 10, keys: int = 1, tree: Path = ROOT, workers: int = 1) -> Maker:
    """Lb as a user runs it, of the checkout ``tree``: a config, client keys, a log to a file."""

    def make(folder: Path, port: int, upstream: int) -> list[str]:
        path = written(folder, port, upstream, accounts, keys)
        program = [sys.executable, "-c", _LB.format(tree=str(tree))]
        words = ["--workers", str(workers)] if workers > 1 else []  # older ones know no such word
        return [*program, "serve", "--config", str(path), *words]

    return make


def written(folder: Path, port: int, upstream: int, accounts: int = 10, keys: int = 1) -> Path:
    """An ``accounts.toml`` for lb."""
    lines = [
        f'[server]\nhost = "127.0.0.1"\nport = {port}\ndata_dir = "{folder}/data"\nlog = "json"\n'
    ]
    lines += (
        f'[[accounts]]\nid = "account-{n:04}"\nkind = "compatible"\n'
        f'base_url = "http://127.0.0.1:{upstream}/v1"\napi_key = "upstream-key-{n:04}"\n'
        "max_in_flight = 10000\n"
        for n in range(accounts)
    )
    digests = [sha256(KEY.encode()).hexdigest()]
    digests += (sha256(f"{KEY}-{n}".encode()).hexdigest() for n in range(1, keys))
    lines += (f'[[keys]]\nname = "client-{n}"\nkey_sha256 = "{d}"\n' for n, d in enumerate(digests))
    path = folder / "accounts.toml"
    path.write_text("\n".join(lines))
    path.chmod(0o600)
    return path


def litellm(home: Path) -> Maker:
    """LiteLLM's proxy from PyPI, in a virtual environment below ``home`` made for this run.

    Upstream sees a model LiteLLM knows: others it does not stream.
    """
    python = home / "litellm-venv" / "bin" / "python"
    if not python.exists():
        print("  installing LiteLLM from PyPI into a folder of this run ...", flush=True)
        venv.create(home / "litellm-venv", with_pip=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "litellm[proxy]"]
        if subprocess.run(install, check=False).returncode:  # noqa: S603
            raise AbsentError("LiteLLM could not be installed from PyPI")

    def make(folder: Path, port: int, upstream: int) -> list[str]:
        base = f"http://127.0.0.1:{upstream}/v1"
        known = {"model": "openai/gpt-4o", "api_base": base, "api_key": "upstream-key"}
        names = ("bench-json", "bench-same", "bench-50", "bench-200", "bench-1000")
        config = {
            "model_list": [{"model_name": name, "litellm_params": known} for name in names],
            "general_settings": {"master_key": KEY},
        }
        (folder / "config.yaml").write_text(json.dumps(config))  # JSON is YAML
        program = str(python.parent / "litellm")
        words = ["--config", str(folder / "config.yaml"), "--host", "127.0.0.1"]
        return [program, *words, "--port", str(port), "--num_workers", "1", "--telemetry", "False"]

    return make
