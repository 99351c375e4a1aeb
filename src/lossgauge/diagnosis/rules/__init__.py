"""The rules, one small class for each finding; a file for each family."""
