"""The 400s of the rules, in OpenAI's own words where it has some, each naming its field."""

from lb.core.errors import Problem, bad_request


def invalid_type(param: str, expected: str, got: str) -> Problem:
    """``param`` holds another JSON type than ``expected`` ("a string", "an array or null")."""
    return bad_request(
        f"Invalid type for '{param}': expected {expected}, but got {got} instead.",
        param,
        "invalid_type",
    )


def missing(param: str, hint: str = "") -> Problem:
    """``param`` has to be there; ``hint`` says what it is for."""
    return bad_request(
        f"Missing required parameter: '{param}'.{hint and ' ' + hint}",
        param,
        "missing_required_parameter",
    )


def invalid_value(param: str, why: str) -> Problem:
    """``param`` has the right type and a value that cannot be; ``why`` names those that can."""
    return bad_request(f"Invalid value for '{param}': {why}", param, "invalid_value")


def exclusive(one: str, other: str) -> Problem:
    """Two fields that say the same thing twice; the second is the one to leave out."""
    return bad_request(
        f"Mutually exclusive parameters: '{one}' and '{other}'. "
        f"Provide either '{one}' or '{other}', not both.",
        other,
        "mutually_exclusive_parameters",
    )
