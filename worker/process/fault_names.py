"""Names of faults in the log: of a connection that failed, what it failed at, never a text that may hold an address."""

# What libraries raise for each fault of a connection: the one behind it says more.
_GENERAL = frozenset({"ConnectionError", "OperationalError", "SchedulingError"})


def fault_name(fault: object) -> str:
    """The class's name, or that of the fault behind it: SSLCertVerificationError, ConnectionRefusedError.

    >>> fault_name(ValueError())
    'ValueError'
    """
    while type(fault).__name__ in _GENERAL:
        behind = getattr(fault, "__cause__", None) or getattr(fault, "__context__", None)
        if not isinstance(behind, OSError) and type(behind).__module__.partition(".")[0] != "redis":
            break
        fault = behind
    return type(fault).__name__
