"""`python -m dwdp_sim`: the same as `dwdp-sim`."""

from __future__ import annotations

import sys

from dwdp_sim.app import main

if __name__ == "__main__":
    sys.argv[0] = "dwdp-sim"
    main()
