"""The JavaScript clients against the proxy: openai, the Vercel AI SDK, LangChain.

Marked ``sdk``. Their modules are in ``$LB_NODE_MODULES``, else in ``tests/node/node_modules``
(``make sdk`` installs them by name).
"""

import asyncio
import os
import shutil
from pathlib import Path

import pytest

from tests.conftest import Proxy
from tests.test_openai_sdk import SIMULATED

SCRIPTS = Path(__file__).parent / "node"
MODULES = Path(os.environ.get("LB_NODE_MODULES") or SCRIPTS / "node_modules").resolve()
LONGEST_S = 60.0

pytestmark = [
    pytest.mark.sdk,
    pytest.mark.skipif(not shutil.which("node"), reason="no node"),
    pytest.mark.skipif(not MODULES.is_dir(), reason="no node modules: make sdk"),
]


@pytest.mark.parametrize("script", ["openai.mjs", "ai.mjs", "langchain.mjs", "seed.mjs"])
async def test_a_client_in_javascript_notices_nothing(
    script: str, proxy: Proxy, tmp_path: Path
) -> None:
    server = await proxy(SIMULATED)
    shutil.copy(SCRIPTS / script, tmp_path)
    (tmp_path / "node_modules").symlink_to(MODULES)
    process = await asyncio.create_subprocess_exec(
        "node",
        script,
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "LB_URL": f"{server.url}/v1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(LONGEST_S):
        output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
