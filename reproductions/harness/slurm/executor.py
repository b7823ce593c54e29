"""submitit's executor, which reads the number of a job where SLURM's sbatch writes it."""

from __future__ import annotations

import re

import submitit
from submitit.core.utils import FailedSubmissionError

_ANSWER = re.compile(r"^Submitted batch job (\d+)\b", re.MULTILINE)


class SlurmExecutor(submitit.SlurmExecutor):
    """Takes no other number for the job's, such as that of a message of the site: submitit takes the first after the word ``job``."""

    @staticmethod
    def _get_job_id_from_submission_command(string: bytes | str) -> str:
        """Return the job's number from what sbatch printed.

        Raises:
            FailedSubmissionError: there is no line ``Submitted batch job <number>``.
        """
        told = string if isinstance(string, str) else string.decode(errors="replace")
        found = _ANSWER.findall(told)
        if not found:
            raise FailedSubmissionError(f'sbatch answered "{told}"')
        return str(found[-1])
