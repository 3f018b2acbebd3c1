"""Machine side: the process that holds machine links and streams, and nothing else."""
