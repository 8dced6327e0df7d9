"""Run the `neuronxa` command with `python -m neuronxa_task`."""

from neuronxa_task.cli import main

if __name__ == "__main__":
    main()
