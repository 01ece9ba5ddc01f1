"""Scores computed again, from the same samples, by the libraries that the field trusts.

A metric that has a ``peer`` names the library, gives its value, and how far the two may differ.
"""

from collections.abc import Mapping, Sequence

from codixr_bench.metric import HasPeer, Metric, Peer, PeerScore
from codixr_bench.result import CrossCheck
from codixr_bench.score import Score


def peers_of(metrics: Sequence[Metric]) -> list[Peer]:
    """The peers of the metrics that have one."""
    made = [metric.peer() for metric in metrics if isinstance(metric, HasPeer)]
    return [peer for peer in made if peer is not None]


def cross_check(scores: Sequence[Score], peers: Sequence[Peer]) -> tuple[CrossCheck, ...]:
    """Each score beside its library's value, in the scores' order; scores without one, too."""
    found: Mapping[str, PeerScore] = {one.name: one for peer in peers for one in peer.scores()}
    return tuple(_checked(score, found.get(score.name)) for score in scores)


def worst(sets: Sequence[tuple[CrossCheck, ...]]) -> tuple[CrossCheck, ...]:
    """Of several samples a study, each score's check that comes off worst."""

    def gap(one: CrossCheck) -> tuple[bool, float]:
        ours = one.ours if one.ours_by_its_convention is None else one.ours_by_its_convention
        known = ours is not None and one.theirs is not None
        return one.agrees is False, abs(ours - one.theirs) if known else -1.0  # type: ignore[operator]

    return tuple(max(each, key=gap) for each in zip(*sets, strict=True))


def _checked(score: Score, peer: PeerScore | None) -> CrossCheck:
    if peer is None:
        return CrossCheck(name=score.name, ours=score.value, reason="no library computes it")
    ours = score.value if peer.ours is None else peer.ours
    agrees = None
    if peer.value is not None:
        # A score that is null where the library has a value disagrees.
        agrees = ours is not None and abs(ours - peer.value) <= peer.tolerance
    return CrossCheck(
        name=score.name,
        library=peer.library,
        ours=score.value,
        ours_by_its_convention=peer.ours,
        theirs=peer.value,
        tolerance=peer.tolerance,
        agrees=agrees,
        convention=peer.convention,
        reason=peer.reason,
    )
