"""How records are shown; reads records and nothing else."""
