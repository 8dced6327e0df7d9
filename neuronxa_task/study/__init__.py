"""`neuronxa reproduce`: a study of models and tasks, run and concluded from one file."""
