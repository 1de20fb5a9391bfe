"""Faults of GPUs and ranks, each with the message that a user needs."""

from __future__ import annotations

import json
import socket
import time

from dwdp_sim.base.errors import ConfigError, DwdpError

NO_GPU_EXIT = 3
FAULT_EXIT = 4


class NoGpuError(DwdpError):
    """No GPU, driver or library: one line that says what is missing. Exit code 3."""

    exit_code = NO_GPU_EXIT

    def __str__(self) -> str:
        return f"{super().__str__()}; dwdp-sim works without it"


class RankFault(DwdpError):
    """A rank died, hung, never arrived, or got an error. Exit code 4.

    Attributes:
        rank: The rank that failed.
        host: Its host name.
        where: Case, layer and call where it was last seen.
        what: What happened.
    """

    exit_code = FAULT_EXIT

    def __init__(self, rank: int, host: str, where: str, what: str) -> None:
        super().__init__(f"rank {rank} on {host}, {where}: {what}")
        self.rank, self.host, self.where, self.what = rank, host, where, what


class Whereabouts:
    """The case, layer and call that a rank is in; its heartbeat publishes it, for the message if the rank is lost.

    Attributes:
        rank: The rank.
        host: Its host name.
        case: The case it works on.
        layer: The layer it works on; None outside layers.
        call: The call or wait it is in.
        since_s: Monotonic time at which it got there.
    """

    def __init__(self, rank: int) -> None:
        self.rank = rank
        self.host = socket.gethostname()
        self.case = "start"
        self.layer: int | None = None
        self.call = "start"
        self.since_s = time.monotonic()

    def at(self, call: str) -> None:
        """Note that the rank enters `call`."""
        self.call = call
        self.since_s = time.monotonic()

    @property
    def text(self) -> str:
        """Case, layer and call in words."""
        layer = "" if self.layer is None else f", layer {self.layer}"
        return f"case {self.case}{layer}, in {self.call}"

    def fault(self, what: str) -> RankFault:
        """Return a fault of this rank at its present place."""
        return RankFault(self.rank, self.host, self.text, what)


def fault_key(rank: int) -> str:
    """The key under which a rank leaves its fault in the store."""
    return f"fault/{rank}"


def fault_to_text(fault: RankFault | ConfigError) -> str:
    """A fault as a rank leaves it for its launcher."""
    if isinstance(fault, ConfigError):
        return json.dumps({"key": fault.key, "value": fault.value, "allowed": fault.allowed})
    return json.dumps({"rank": fault.rank, "host": fault.host, "where": fault.where, "what": fault.what})


def fault_from_text(text: str) -> RankFault | ConfigError:
    """The fault that a rank has left."""
    fields = json.loads(text)
    return ConfigError(**fields) if "key" in fields else RankFault(**fields)
