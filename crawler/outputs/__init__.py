"""The item log, and outputs as projections of it."""

from crawler.outputs.export import export
from crawler.outputs.failure import OutputError
from crawler.outputs.filesink import FileSink
from crawler.outputs.log import Frame, ItemLog, Record, read_frames
from crawler.outputs.outputs import Outputs
from crawler.outputs.projection import Projection
from crawler.outputs.sinks import check_target

__all__ = [
    "FileSink",
    "Frame",
    "ItemLog",
    "OutputError",
    "Outputs",
    "Projection",
    "Record",
    "check_target",
    "export",
    "read_frames",
]
