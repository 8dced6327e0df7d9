"""BMLAMA-53: facts in 53 languages, and RankC, whether a model ranks them alike in two of them."""
