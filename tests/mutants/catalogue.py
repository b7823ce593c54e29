"""Every mutant. A new wire between two parts wants one here: change it on purpose, and name the fast test that notices."""

from tests.mutants import common, mrca_plan, mrca_stages, oneformer, reports, sam_filter_plan, sam_filter_stages
from tests.mutants.mutant import Mutant

CATALOGUE: tuple[Mutant, ...] = (
    *mrca_plan.MUTANTS,
    *mrca_stages.MUTANTS,
    *sam_filter_plan.MUTANTS,
    *sam_filter_stages.MUTANTS,
    *common.MUTANTS,
    *oneformer.MUTANTS,
    *reports.MUTANTS,
)
