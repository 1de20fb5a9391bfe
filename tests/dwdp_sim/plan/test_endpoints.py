"""Names of endpoints and kinds of links."""

from __future__ import annotations

import itertools

import numpy as np

from dwdp_sim.plan.endpoints import HOST, LINK_KINDS, endpoint_key, endpoint_name, goes_over, link_kind, link_kinds


def test_a_column_of_copies_has_the_kinds_of_its_copies() -> None:
    src, dst = np.array(list(itertools.product((HOST, 0, 1), (HOST, 0, 1)))[1:]).T
    alone = [link_kind(*ends) for ends in zip(src.tolist(), dst.tolist(), strict=True)]
    assert alone == ["host", "host", "host", "local", "peer", "host", "peer", "local"]
    assert [LINK_KINDS[kind] for kind in link_kinds(src, dst)] == alone
    for kind in LINK_KINDS:
        assert goes_over(kind, src, dst).tolist() == [one == kind for one in alone]


def test_people_and_files_read_the_same_endpoint() -> None:
    assert [endpoint_name(end) for end in (HOST, 0, 12)] == ["host", "GPU 0", "GPU 12"]
    assert [endpoint_key(end) for end in (HOST, 0, 12)] == ["host", "gpu0", "gpu12"]
