"""`neuronxa reproduce`: run a study of models and tasks from one file, and report on it."""
