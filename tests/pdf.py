"""Compiling LaTeX tables, where pdflatex is installed."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

needs_pdflatex = pytest.mark.skipif(
    shutil.which("pdflatex") is None,
    reason="pdflatex is not installed (apt-get install texlive-latex-recommended)",
)

DOCUMENT = r"""\documentclass{article}
\usepackage{booktabs,array,longtable}
\begin{document}
%s
\end{document}
"""


def overfull(*tables: Path) -> list[str]:
    """Compile a document of the tables; the lines that are too wide, of which there should be none.

    Raises:
        AssertionError: it does not compile.
    """
    folder = tables[0].parent
    inputs = "\n".join(f"\\input{{{table.name}}}" for table in tables)
    (folder / "document.tex").write_text(DOCUMENT % inputs, encoding="utf-8")
    for _ in range(2):  # a longtable finds its widths in the first run
        done = subprocess.run(
            ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "document.tex"],
            cwd=folder,
            capture_output=True,
            timeout=120,
            check=False,
        )
    log = (folder / "document.log").read_text(encoding="utf-8", errors="replace")
    assert done.returncode == 0, "\n".join(re.findall(r"^!.*(?:\n.*){3}", log, re.MULTILINE))
    return re.findall(r"Overfull \\[hv]box \(\d+\.\d+pt too (?:wide|high)\).*", log)
