"""Stacking: many trainings of one workload, side by side in one program, each with settings of its own."""
