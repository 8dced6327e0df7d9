"""Does alignment go with accuracy? Statistics over languages and models, and their tables."""
