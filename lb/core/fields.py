"""What each kind of upstream does with each request field: one table, overridable in ``[fields]``.

``pass``: untouched, and so is every field not named here, since upstreams add parameters faster
than we release. ``strip``: left out on the way, told in ``x-lb-changed``. ``reject``: an account of
that kind cannot serve a request that uses it; when none of the pool can, the client gets a 400.
"""
