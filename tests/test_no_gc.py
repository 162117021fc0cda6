"""The collector's settings: as they were before, and what was set aside stays so."""

from __future__ import annotations

import gc
import subprocess
import sys

PROGRAM = """
import gc
from crawler.no_gc import no_gc, rare_gc, set_aside
def state(): return gc.isenabled(), gc.get_threshold()[0], gc.get_freeze_count() > 0
with no_gc(): inside = state()
said = [state(), inside]
with rare_gc(): said.append(state())
said.append(state())
set_aside()
before = gc.get_freeze_count()
own = [[] for _ in range(1000)]
with rare_gc(): said += [state(), gc.get_freeze_count() <= before]
said += [state(), gc.get_freeze_count() <= before]
print(said)
"""


def test_each_leaves_the_collector_as_it_was() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    young = gc.get_threshold()[0]
    normal, aside, rare = (True, young, False), (True, young, True), (True, 50_000, True)
    wanted = [normal, (False, young, False), rare, normal, rare, True, aside, True]
    assert eval(done.stdout) == wanted
