"""A sweep: a plan, its settings in canonical form, the runs that are left, where they run and where they are kept."""
