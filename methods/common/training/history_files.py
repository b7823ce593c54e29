"""Names of the files in which a training writes its history, and what is in them. Loads nothing, so that reports may read them."""

HISTORY_FILE = "history.parquet"
"""Columns: ``iteration`` int32; float64: ``loss`` of the whole batch, ``learning_rate`` of groups without a factor of their own,
``gradient_norm`` (2-norm of all gradients of the whole batch before clipping; not finite where a float16 step was skipped), and
``loss/<part>`` for each named part, which add up to ``loss``."""
PACE_FILE = "pace.parquet"
"""Columns: ``iteration`` int32; float64: ``seconds`` from the iteration before (loading of images included; of the first after a start
from that start), ``memory_mib`` (most that was ever in use: of the GPU where one is used, else of the process)."""
