"""Diagnosis: what follows from a session. Rules read records only; the checkup puts their findings in order."""
