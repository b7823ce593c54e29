"""Running plans on a SLURM cluster, through submitit."""
