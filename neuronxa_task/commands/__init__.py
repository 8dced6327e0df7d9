"""The commands of `neuronxa`, one module each. Heavy imports wait until a command runs."""
