"""Does accuracy follow alignment? Statistics over languages and models, and their tables."""
