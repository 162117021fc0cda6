"""Which host may be asked now, and which of its pages goes first."""

from crawler.scheduler.gate import Gate
from crawler.scheduler.hosts import HostView
from crawler.scheduler.scheduler import Handout, Mode, Scheduler

__all__ = ["Gate", "Handout", "HostView", "Mode", "Scheduler"]
