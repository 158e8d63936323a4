"""lb: one dependable OpenAI Responses endpoint over a pool of upstream accounts.

Four floors: the *core* decides, the *adapters* touch the world, the *proxy* carries one request
through, the *web* lets people in. Imports only point down:

    core < config < adapters < proxy < web < app < cli

    cli/            what one types: serve, check, status, login, accounts, keys, usage, codex ...
    app.py          Config -> web.Application; the only file that knows every part
    app_workers.py  several such processes behind one address: the supervisor
    web/            LETS PEOPLE IN: routes, who may enter, reading a body, the admin API
    proxy/          CARRIES ONE REQUEST: dispatch (the one failover loop), deliver, upkeep
    adapters/       TOUCHES THE WORLD: transport, credentials, journal, stores, clock, logs
        shared/         how the workers of one server speak with each other
    config/         accounts.toml -> frozen facts; every mistake at once, each with its path
    core/           DECIDES: no await, no clock, no chance, no I/O: ``now``, ``rng`` are arguments
        pool.py         who serves: filter, then choose; what was learned
        limits.py       what each client key may do and has left; plans.py, keyring.py, tenancy.py
        sharing.py      the same of a worker among others; tidings.py: what they tell each other
        ledger.py       what a request used, as facts; book.py folds them into rows
        health.py       the state machine of an account, a table of data
        rules/          request body -> request body, in order
        models.py       what a model's name means: prefix, alias, effort; what it can do
        formats/        how clients speak: responses, chat
        gateway/        what a request asks of us: order, only, zdr, redact, what is worth sending
        upstreams/      the dialects: openai, chatgpt, azure, compatible, simulated
        strategies/     which of those that may serve does

A request's story reads top to bottom in ``proxy/dispatch.py``; the laws are in ARCHITECTURE.md.
"""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("responses-lb")
except PackageNotFoundError:  # run from a source tree that was never installed
    __version__ = "0.0.0"
