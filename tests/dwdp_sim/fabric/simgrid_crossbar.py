"""SimGrid's side of the differential test: run by an interpreter that has `simgrid`, JSON in, JSON out.

In: a list of {"gpus", "egress", "ingress", "pair", "streams": [[[src, dst, bytes], …], …]}; rates in bytes per second,
each stream moves its copies one after another. Out: for each program the completion time of each stream.

A GPU has one split-duplex link where egress and ingress are equal, else one link for each direction; a pair has a
link of its own where its cap is the tighter one. Latency is zero, sharing is max-min (model CM02 without the window
limit and without the share that acknowledgements take).
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import simgrid as sg  # type: ignore[import-not-found]

SETTINGS = (
    "network/model:CM02",
    "network/crosstraffic:0",
    "network/TCP-gamma:0",
    "surf/precision:1e-12",
    "maxmin/precision:1e-12",
)


def completion_s(program: dict[str, Any]) -> list[float]:
    """Completion time of each stream. An engine is for one platform, so this is called once a process."""
    engine = sg.Engine(["crossbar", "--log=root.thresh:critical", *(f"--cfg={setting}" for setting in SETTINGS)])
    zone = sg.NetZone.create_full_zone("crossbar")
    size, egress, ingress = program["gpus"], program["egress"], program["ingress"]
    hosts = [zone.create_host(f"gpu{gpu}", 1e9) for gpu in range(size)]
    leave, arrive = [], []
    for gpu in range(size):
        if egress == ingress:
            link = zone.create_split_duplex_link(f"link{gpu}", egress)
            link.seal()
            leave.append(sg.LinkInRoute(link, sg.LinkInRoute.UP))
            arrive.append(sg.LinkInRoute(link, sg.LinkInRoute.DOWN))
        else:
            for ends, name, rate in ((leave, "egress", egress), (arrive, "ingress", ingress)):
                link = zone.create_link(f"{name}{gpu}", rate)
                link.seal()
                ends.append(sg.LinkInRoute(link))
    for src in range(size):
        for dst in range(size):
            if src == dst:
                continue
            route = [leave[src], arrive[dst]]
            if program["pair"] < min(egress, ingress):
                link = zone.create_link(f"pair{src}to{dst}", program["pair"])
                link.seal()
                route.append(sg.LinkInRoute(link))
            zone.add_route(hosts[src].netpoint, hosts[dst].netpoint, None, None, route, False)
    zone.seal()
    ended = [0.0] * len(program["streams"])

    def stream(number: int, copies: list[list[int]]) -> None:
        for src, dst, size in copies:
            sg.Comm.sendto(hosts[src], hosts[dst], size)
        ended[number] = sg.Engine.clock

    for number, copies in enumerate(program["streams"]):
        sg.Actor.create(f"stream{number}", hosts[0], stream, number, copies)
    engine.run()
    return ended


def in_child(program: dict[str, Any]) -> list[float]:
    """`completion_s` in a process of its own."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        with os.fdopen(writer, "w") as out:
            json.dump(completion_s(program), out)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        text = answer.read()
    _, status = os.waitpid(child, 0)
    if status:
        raise SystemExit(f"SimGrid ended with status {status}")
    result: list[float] = json.loads(text)
    return result


if __name__ == "__main__":
    json.dump([in_child(program) for program in json.load(sys.stdin)], sys.stdout)
