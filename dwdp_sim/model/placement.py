"""Place experts on ranks: who holds which, and which peer serves those that a rank lacks."""

from __future__ import annotations

from dataclasses import dataclass

from dwdp_sim.base.errors import ConfigError

MOST_RANKS = 1024  # a plan has pulls for each pair of ranks


@dataclass(frozen=True)
class Placement:
    """Which rank of a DWDP group holds which experts of a MoE layer.

    Rank r holds experts [r·P, r·P + L); E = L + (N − 1)·P. L > P makes neighbours hold some experts twice.

    Attributes:
        num_experts: E, routed experts of the layer.
        dwdp_size: N, ranks in the group.
        num_experts_per_worker: L, experts each rank holds.
        num_prefetch_experts: P, experts that a rank pulls from each peer.
    """

    num_experts: int
    dwdp_size: int
    num_experts_per_worker: int
    num_prefetch_experts: int

    def __post_init__(self) -> None:
        experts, size = self.num_experts, self.dwdp_size
        held, pulled = self.num_experts_per_worker, self.num_prefetch_experts
        if not 2 <= size <= MOST_RANKS:
            raise ConfigError("dwdp.dwdp_size", size, f"must be from 2 to {MOST_RANKS}")
        if pulled < 1:
            raise ConfigError("dwdp.num_prefetch_experts", pulled, "must be at least 1")
        if held < 1:
            raise ConfigError("dwdp.num_experts_per_worker", held, "must be at least 1")
        if held + (size - 1) * pulled != experts:
            raise ConfigError(
                "dwdp.num_experts_per_worker",
                held,
                f"num_experts_per_worker + (dwdp_size - 1)·num_prefetch_experts must equal the model's {experts} "
                f"experts, but {held} + {size - 1}·{pulled} = {held + (size - 1) * pulled}",
            )
        if held < pulled:
            raise ConfigError(
                "dwdp.num_experts_per_worker",
                held,
                f"must be at least num_prefetch_experts={pulled}: a peer can only serve what it holds",
            )

    @classmethod
    def create(cls, num_experts: int, dwdp_size: int, held: int | None = None, pulled: int | None = None) -> Placement:
        """Fill in what is unset: P = E // N, L = E − (N − 1)·P; one given, the other follows from E.

        Raises:
            ConfigError: The sizes contradict each other, or are out of range.
        """
        if not 2 <= dwdp_size <= MOST_RANKS:
            raise ConfigError("dwdp.dwdp_size", dwdp_size, f"must be from 2 to {MOST_RANKS}")
        if dwdp_size > num_experts:
            raise ConfigError("dwdp.dwdp_size", dwdp_size, f"the model has {num_experts} experts, fewer than ranks")
        if held is not None and not 1 <= held < num_experts:
            raise ConfigError("dwdp.num_experts_per_worker", held, f"must be from 1 to {num_experts - 1}")
        if pulled is None:
            if held is None:
                pulled = num_experts // dwdp_size
            elif (num_experts - held) % (dwdp_size - 1):
                raise ConfigError(
                    "dwdp.num_experts_per_worker",
                    held,
                    f"the other {num_experts - held} of {num_experts} experts cannot be split evenly over "
                    f"{dwdp_size - 1} peers",
                )
            else:
                pulled = (num_experts - held) // (dwdp_size - 1)
        if held is None:
            held = num_experts - (dwdp_size - 1) * pulled
        return cls(num_experts, dwdp_size, held, pulled)

    @property
    def overlaps(self) -> bool:
        """Whether some experts are held by more than one rank."""
        return self.num_experts_per_worker > self.num_prefetch_experts

    def resident(self, rank: int) -> range:
        """Experts that `rank` holds."""
        first = rank * self.num_prefetch_experts
        return range(first, first + self.num_experts_per_worker)

    def served_by_distance(self, rank: int, peer: int) -> range:
        """Experts that `peer` serves to `rank` in TensorRT-LLM's CUDA IPC path: always P of them.

        A peer above the rank gives its last P experts, a peer below its first P.
        """
        held = self.resident(peer)
        return held[-self.num_prefetch_experts :] if peer > rank else held[: self.num_prefetch_experts]

    def served_by_lowest(self, rank: int, peer: int) -> range:
        """Experts that `peer` serves to `rank` where the lowest rank that holds an expert serves it (VMM path)."""
        held, own = self.resident(peer), self.resident(rank)
        first = self.resident(peer - 1).stop if peer else held.start
        stop = min(held.stop, own.start) if peer < rank else held.stop
        return range(first, max(first, stop))

    def remote_index(self, rank: int, expert: int) -> int:
        """Position of a remote `expert` in a slot of `rank`: remote experts in ascending order, own ones left out."""
        own = self.resident(rank)
        return expert if expert < own.start else expert - len(own)
