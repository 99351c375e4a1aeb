"""The programs are run by the tests as anybody would run them; collecting them for examples would run them too."""

collect_ignore_glob = ["fi*.py", "train_*.py"]
