"""`python -m neuronxa_task`: the `neuronxa` command."""

from neuronxa_task.cli import main

if __name__ == "__main__":
    main()
