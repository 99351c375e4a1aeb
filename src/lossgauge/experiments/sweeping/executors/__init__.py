"""Where the runs of a sweep take place: on this machine, or on a cluster."""
