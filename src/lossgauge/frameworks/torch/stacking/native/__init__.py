"""Native code: the traced model and the recorded optimizer as C, compiled on the machine they run on."""
