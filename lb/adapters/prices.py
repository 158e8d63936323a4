"""The price list that comes with the package."""

from importlib.resources import files

from lb.core.prices import Prices, read


def shipped() -> Prices:
    """The list as it was when this version was made, see its ``date``."""
    return read(files("lb.core").joinpath("prices.toml").read_text(encoding="utf-8"))
