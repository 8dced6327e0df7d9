"""BMLAMA-53: facts in 53 languages; and RankC, how alike a model ranks them in two languages."""
