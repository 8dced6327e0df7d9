"""What the report says, that its numbers are the result files', and that names do no harm."""

from __future__ import annotations

import json
import re
from functools import cache
from html.parser import HTMLParser
from itertools import product
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from commands import neuronxa
from made_results import ACCURACY, LANGUAGES, full_run, write_run
from scipy.stats import pearsonr, rankdata

from neuronxa_task.analysis.bootstrap import Bootstrap
from neuronxa_task.analysis.correlate import correlation_table
from neuronxa_task.analysis.paired import paired_difference
from neuronxa_task.analysis.selection import Selection
from neuronxa_task.errors import NeuronXAError
from neuronxa_task.languages import FLORES_CORE, FLORES_TARGETS
from neuronxa_task.languages import language as language_of
from neuronxa_task.report import write_report
from neuronxa_task.report.agreement import qualifications
from neuronxa_task.report.cautions import cautions
from neuronxa_task.report.content import Content
from neuronxa_task.report.page import render
from neuronxa_task.report.pictures import Studio
from neuronxa_task.report.reading import reading
from neuronxa_task.report.tables import signatures
from neuronxa_task.report.versus import versus
from neuronxa_task.results import Results, read_results

pytestmark = pytest.mark.slow

FEW = Bootstrap(resamples=100)
HOSTILE = (
    "</title></style></script><script>window.hacked=1</script>\"'><img src=x onerror=hacked=1>&amp;"
)


class Page(HTMLParser):
    """A page taken apart: its elements, and the text of each table row and of the whole."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.text = ""
        self._hidden = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._hidden = tag in ("style", "script")
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th") and self.rows:
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        self._hidden = False

    def handle_data(self, data: str) -> None:
        if self._hidden:
            return
        self.text += data
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data.strip()

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.elements)

    def row(self, first: str) -> list[str]:
        (found,) = (row for row in self.rows if row and row[0] == first and len(row) > 4)
        return found


def page_of(results: Results, *, title: str = "A title", paper: bool = False) -> Page:
    return Page(html_of(results, title=title, paper=paper))


@cache  # the same result files make the same page
def html_of(results: Results, *, title: str = "A title", paper: bool = False) -> str:
    content = Content(results, Selection())
    found = (
        correlation_table(content.joins, Selection(), bootstrap=FEW, paper=paper)
        if content.joins
        else None
    )
    return render(content, found, title, content.notes, Studio(Path("unused")))


def numbers(cells: list[str]) -> list[float]:
    """The values of cells such as 0.500±0.010."""
    return [float(cell.partition("±")[0]) for cell in cells]


@pytest.fixture(scope="module")
def one_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("one")
    downstream = {"belebele": FLORES_CORE, "xnli": FLORES_CORE[:5]}
    return write_run(folder / "results_one.json", "org/model-7b", FLORES_CORE, downstream)


@pytest.fixture(scope="module")
def of_one_model(one_model: Path) -> Results:
    return read_results([one_model])


@pytest.fixture(scope="module")
def two_models(tmp_path_factory: pytest.TempPathFactory) -> Results:
    folder = tmp_path_factory.mktemp("two")
    for seed, (model, codes) in enumerate((("org/a", FLORES_CORE), ("org/b", FLORES_CORE[1:]))):
        write_run(folder / f"results_{seed}.json", model, codes, {"belebele": codes}, seed=seed)
    return read_results([folder])


def test_the_table_holds_the_result_file_s_numbers(one_model: Path, of_one_model: Results) -> None:
    page = page_of(of_one_model)
    in_file = json.loads(one_model.read_text(encoding="utf-8"))["results"]
    french = page.row("French")
    assert french[1:4] == ["français", "fra_Latn", "Latin"]
    aligned = in_file["neuronxa_flores_fra_Latn"]
    expected = [aligned[f"{score},none"] for score in ("nasca", "navca", "mexa")]
    expected += [in_file[f"{name}_fra_Latn"]["acc,none"] for name in ("belebele", "xnli")]
    assert numbers(french[4:9]) == pytest.approx(expected, abs=0.00051)
    errors = [float(cell.partition("±")[2]) for cell in french[4:9]]
    assert errors == [aligned["nasca_stderr,none"]] * 5


def test_the_table_is_exported_in_full(one_model: Path, tmp_path: Path) -> None:
    report = write_report(read_results([one_model]), tmp_path, "t", Selection(), picture_formats=())
    assert [path.name for path in report.tables] == ["languages.csv", "languages.tex"]
    in_file = json.loads(one_model.read_text(encoding="utf-8"))["results"]
    table = pd.read_csv(tmp_path / "languages.csv").set_index("code")
    assert set(table.index) == set(FLORES_CORE)
    for code, row in table.iterrows():
        task = in_file[f"neuronxa_flores_{code}"]
        assert row["NAVCA"] == task["navca,none"]
        assert row["NAVCA stderr"] == task["navca_stderr,none"]
        assert row["belebele (acc)"] == in_file[f"belebele_{code}"]["acc,none"]
    assert table["xnli (acc)"].notna().sum() == 5
    assert not (tmp_path / "pictures").exists()


def test_missing_values_are_dashes(of_one_model: Results) -> None:
    row = page_of(of_one_model).row("Japanese")
    assert row[5:] != [] and row[8] == "–"  # xnli was run in the first five languages only


def test_native_names_are_marked_with_their_language(of_one_model: Results) -> None:
    text = html_of(of_one_model)
    assert '<bdi lang="arb-Arab">العربية</bdi>' in text
    assert '<bdi lang="jpn-Jpan">日本語</bdi>' in text


def test_the_finding_is_the_correlation_of_the_numbers(
    one_model: Path, of_one_model: Results
) -> None:
    in_file = json.loads(one_model.read_text(encoding="utf-8"))["results"]
    pairs = [
        (in_file[f"neuronxa_flores_{code}"]["nasca,none"], in_file[f"belebele_{code}"]["acc,none"])
        for code in FLORES_CORE
    ]
    r = pearsonr(*zip(*pairs, strict=True)).statistic
    page = page_of(of_one_model)
    assert f"belebele {r:.3f}" in page.text
    assert re.search(rf"org/model-7b.*pearson{r:.3f}", "".join(map("".join, page.rows)))
    # Nine languages in one benchmark, five in the other: too few for the mean of both.
    lead = "These 9 languages cannot tell whether accuracy (mean over 2 benchmarks) goes with NASCA"
    assert lead in page.text


def test_the_paper_s_figures_stand_beside(tmp_path: Path) -> None:
    downstream = dict.fromkeys(("belebele", "m_mmlu", "arc"), FLORES_CORE)
    results = read_results([write_run(tmp_path / "r.json", "m", FLORES_CORE, downstream)])
    beside = page_of(results, paper=True).text
    assert "mean over 3 benchmarks published: NASCA 0.8312, NAVCA 0.8191, MEXA 0.8291" in beside
    assert "published" not in page_of(results).text


def test_the_paper_s_figures_stand_beside_the_mean_over_its_benchmarks(tmp_path: Path) -> None:
    downstream = dict.fromkeys(("belebele", "m_mmlu", "arc", "xnli"), FLORES_CORE)
    results = read_results([write_run(tmp_path / "r.json", "m", FLORES_CORE, downstream)])
    beside = page_of(results, paper=True).text
    assert "mean over arc, belebele, m_mmlu published: NASCA 0.8312" in beside
    assert "accuracy (mean over 4 benchmarks)" in beside, "the lead is of all benchmarks"


def test_the_command_s_choices_are_on_the_page(one_model: Path, tmp_path: Path) -> None:
    ended = neuronxa(
        *("report", one_model, "--benchmarks", "xnli", "--scores", "mexa", "--output", tmp_path)
    )
    assert ended.code == 0, ended.errors
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    french = page.row("French")
    assert len(french) == 7, "four columns of the language, MEXA, XNLI, resources"
    assert "belebele" not in page.text.split("Signatures and commands")[0]
    assert not any("NASCA" in cell for row in page.rows for cell in row)
    failed = neuronxa("report", one_model, "--benchmarks", "arc", "--output", tmp_path)
    assert failed.code == 1 and "no results of 'arc'; found: belebele, xnli" in failed.errors


def test_what_is_missing_is_noted_once_on_the_page_and_by_the_command(tmp_path: Path) -> None:
    run = full_run().without("neuronxa_flores_fra_Latn", "navca")
    ended = neuronxa("report", run.write(tmp_path / "in"), "--output", tmp_path / "out")
    assert ended.code == 0, ended.errors
    note = "neuronxa_flores of org/model has no navca in 1 of 6 languages: fra_Latn"
    assert ended.output.count(note) == 1
    page = Page((tmp_path / "out" / "report.html").read_text(encoding="utf-8"))
    assert page.text.count(note) == 1
    assert page.row("French")[4:8] == ["0.900±0.010", "–", "0.810±0.010", "0.850±0.010"]


def test_a_model_without_a_score_is_on_the_page(tmp_path: Path) -> None:
    run = full_run("lacking")
    for language in LANGUAGES:
        run.without(f"neuronxa_flores_{language}", "nasca")
    run.write(tmp_path / "a")
    full_run("whole").write(tmp_path / "b")
    report = write_report(read_results([tmp_path]), tmp_path / "out", "t", Selection())
    noted = "neuronxa_flores of lacking has no nasca in 6 of 6 languages"
    assert any(note.startswith(noted) for note in report.notes)
    page = Page(report.page.read_text(encoding="utf-8"))
    assert "NASCA and belebele, 6 languages · whole" in page.text
    assert "NASCA and belebele, 6 languages · lacking" not in page.text
    assert "MEXA and belebele, 6 languages · lacking" in page.text


def test_a_relative_report_leaves_out_what_lacks_the_pivot(tmp_path: Path) -> None:
    run = full_run()
    for language, accuracy in zip(LANGUAGES, ACCURACY, strict=True):
        run.task(f"arc_{language}", {"acc": accuracy})
    results = read_results([run.write(tmp_path)])
    content = Content(results, Selection(relative=True))
    assert [join.benchmark for join in content.joins] == ["belebele"]
    assert any("arc of org/model left out: no accuracy in the pivot" in n for n in content.notes)


def sections(page: Page) -> list[str | None]:
    return [of["id"] for tag, of in page.elements if tag == "section"]


def test_sections_come_in_order_and_are_linked(two_models: Results) -> None:
    page = page_of(two_models)
    links = [of["href"] or "" for tag, of in page.elements if tag == "a"]
    assert [link for link in links if link[0] == "#"] == [f"#{name}" for name in sections(page)]
    assert sections(page) == [
        *("correlation", "languages-table", "scatter", "layers", "heatmap", "models"),
        *("retrieval", "reproduce"),
    ]


def test_the_head_says_what_the_scores_are(of_one_model: Results) -> None:
    page = page_of(of_one_model)
    head = page.text.partition("Does alignment go with accuracy?")[0]
    for word in ("NASCA", "NAVCA", "MEXA", "by chance", "mean over the layers", "2507.14900"):
        assert word in head


def test_alignment_alone_makes_a_page_without_accuracy(tmp_path: Path) -> None:
    write_run(tmp_path / "results_0.json", "m", FLORES_CORE)
    page = page_of(read_results([tmp_path]))
    assert page.text.count("the results hold alignment only; run a benchmark") == 1
    assert page.text.index("on average over") < page.text.index("the results hold alignment only")
    expected = ["languages-table", "layers", "heatmap", "retrieval", "reproduce"]
    assert sections(page) == expected


def test_accuracy_alone_makes_a_page_without_alignment(tmp_path: Path) -> None:
    path = write_run(tmp_path / "results_0.json", "m", (), {"belebele": FLORES_CORE})
    page = page_of(read_results([tmp_path]))
    assert page.text.count("No values by layer.") == 1
    assert "neuronxa_flores_core" in page.text
    assert sections(page) == ["languages-table", "reproduce"]
    accuracy = json.loads(path.read_text(encoding="utf-8"))["results"]["belebele_fra_Latn"]
    assert numbers(page.row("French")[4:5]) == pytest.approx([accuracy["acc,none"]], abs=0.00051)


def test_means_are_over_the_languages_that_have_every_column(
    one_model: Path, of_one_model: Results
) -> None:
    page = page_of(of_one_model)
    in_file = json.loads(one_model.read_text(encoding="utf-8"))["results"]
    (row,) = (row for row in page.rows if row and row[0].startswith("Mean of the"))
    assert row[0] == "Mean of the5languages with a value in every column"
    names = [f"neuronxa_flores_{code}" for code in FLORES_CORE[:5]]
    expected = [
        np.mean([in_file[name][f"{score},none"] for name in names])
        for score in ("nasca", "navca", "mexa")
    ]
    assert numbers(row[4:7]) == pytest.approx(expected, abs=0.00051)


def test_the_best_model_comes_first(tmp_path: Path) -> None:
    for model, level in (("org/a", 0.2), ("org/b", 0.9), ("org/c", 0.5)):
        path = tmp_path / f"results_{model[-1]}.json"
        write_run(path, model, FLORES_CORE[:3], skills=[level] * 3)
    write_run(tmp_path / "results_d.json", "org/0", (), {"belebele": FLORES_CORE[:3]})
    content = Content(read_results([tmp_path]), Selection())
    assert content.models == ["org/b", "org/c", "org/a", "org/0"]


def test_models_are_compared_on_the_languages_all_have(two_models: Results) -> None:
    page = page_of(two_models)
    rows = [row for row in page.rows if row and row[0] in ("a", "b") and "." in row[1]]
    assert [len(row) for row in rows] == [5, 5]
    table = two_models.table
    for row in rows:
        of_model = table[
            (table["model"] == f"org/{row[0]}") & (table["language"] != FLORES_CORE[0])
        ]
        nasca = of_model.loc[of_model["metric"] == "nasca", "value"]
        assert len(nasca) == len(FLORES_CORE) - 1
        assert numbers(row[1:2]) == pytest.approx([nasca.mean()], abs=0.00051)
    assert "8 languages" in page.text
    assert page.text.count("org/a") >= 3


def test_mixed_settings_are_refused_unless_allowed(tmp_path: Path) -> None:
    for model in ("m", "other"):
        path = tmp_path / f"results_{model}.json"
        write_run(path, model, FLORES_CORE, {"belebele": FLORES_CORE})
    other = path.read_text(encoding="utf-8").replace("pool:position", "pool:mean")
    path.write_text(other, encoding="utf-8")
    results = read_results([tmp_path])
    with pytest.raises(NeuronXAError, match="pool:mean"):
        Content(results, Selection())
    assert any("pool:mean" in note for note in Content(results, Selection(allow_mixed=True)).notes)


def test_signatures_and_commands_are_there(one_model: Path, of_one_model: Results) -> None:
    page = page_of(of_one_model)
    assert "data_hash:(9 values)" in page.text
    command = "lm_eval --model hf --model_args pretrained=org/model-7b"
    assert page.text.count(command) == page.count("pre") == 1
    assert f"# {one_model}\n{command}" in page.text


def hostile_results(folder: Path) -> Results:
    """Results in which every name that a file can choose is an attack."""
    codes = ["fra_Latn", "deu_Latn", "spa_Latn", f"x{HOSTILE}"]
    path = write_run(
        folder / "results_0.json",
        HOSTILE,
        codes,
        {f"bench{HOSTILE}": codes[:3]},
        text=f"text{HOSTILE}",
        metadata={"config_source": f"/{HOSTILE}/task.yaml"},
    )
    content = json.loads(path.read_text(encoding="utf-8"))
    for task, values in content["results"].items():
        if task.startswith("bench"):
            values[f"acc{HOSTILE},none"] = values.pop("acc,none")
    content["results"][f"unknown{HOSTILE}"] = {"acc,none": 1.0}
    content["config"]["model_args"][HOSTILE] = HOSTILE
    path.write_text(json.dumps(content), encoding="utf-8")
    name = HOSTILE.replace("=", "")  # the first one ends a pattern's name
    return read_results([folder], patterns=[f"{name}=bench{HOSTILE}_{{lang}}"])


def test_hostile_names_are_text_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "runs<script>"
    results = hostile_results(folder)
    assert results.profiles and len(results.downstream)
    page = page_of(results, title=HOSTILE)
    assert page.count("script") == page.count("style") == page.count("title") == 1
    assert page.count("img") == 0
    handlers = [name for _, of in page.elements for name in of if name.startswith("on")]
    assert handlers == []
    assert page.text.count(HOSTILE) > 10


def test_the_policy_allows_this_script_and_style_alone(of_one_model: Results) -> None:
    from base64 import b64encode
    from hashlib import sha256

    text = html_of(of_one_model)
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', text)
    assert policy.startswith("default-src &#39;none&#39;; ")
    for kind in ("script", "style"):
        (body,) = re.findall(f"<{kind}>(.*?)</{kind}>", text, re.DOTALL)
        assert b64encode(sha256(body.encode()).digest()).decode() in policy
    assert "unsafe" not in policy
    assert ' style="' not in text and "<style" not in text.partition("</style>")[2]


def test_nothing_is_loaded_from_elsewhere(of_one_model: Results) -> None:
    page = page_of(of_one_model)
    links = [
        value or ""
        for tag, of in page.elements
        for name, value in of.items()
        if name in ("src", "href", "data", "srcset", "xlink:href", "action") and tag != "a"
    ]
    assert links
    assert [link for link in links if not link.startswith(("#", "data:"))] == []
    followed = [of["href"] or "" for tag, of in page.elements if tag == "a"]
    assert all(link.startswith(("#", "https://arxiv.org/abs/")) for link in followed)


def test_pictures_are_whole_and_their_names_are_plain(tmp_path: Path) -> None:
    results = hostile_results(tmp_path / "runs")
    formats = ("svg", "png", "pdf")
    report = write_report(results, tmp_path / "out", HOSTILE, Selection(), picture_formats=formats)
    assert report.page == tmp_path / "out" / "report.html"
    pictures = report.pictures
    assert {path.parent for path in pictures} == {tmp_path / "out" / "pictures"}
    assert all(re.fullmatch(r"[a-z0-9.-]{1,110}\.(svg|png|pdf)", path.name) for path in pictures)
    assert {path.name.split("-")[0].split(".")[0] for path in pictures} == {
        *("correlation", "scatter", "layers", "heatmap", "retrieval")
    }
    starts = {".png": b"\x89PNG", ".pdf": b"%PDF", ".svg": b"<?xml"}
    assert all(path.read_bytes().startswith(starts[path.suffix]) for path in pictures)
    for path in pictures:
        if path.suffix == ".svg":
            tags = {element.tag for element in ElementTree.parse(path).iter()}
            assert not any(str(tag).endswith("}script") for tag in tags)


def test_unknown_formats_are_refused_before_the_work(one_model: Path, tmp_path: Path) -> None:
    with pytest.raises(NeuronXAError, match="'gif'; expected some of: svg, png, pdf"):
        results = read_results([one_model])
        write_report(results, tmp_path / "out", "t", Selection(), picture_formats=("gif",))
    assert not (tmp_path / "out").exists()


def test_files_are_of_what_the_page_shows_at_first_unless_all_are_wanted(
    two_models: Results, tmp_path: Path
) -> None:
    def names(*, every: bool) -> set[str]:
        report = write_report(
            *(two_models, tmp_path / str(every), "t", Selection()),
            picture_formats=["svg"],
            all_pictures=every,
        )
        return {path.stem for path in report.pictures}

    first = Content(two_models, Selection()).models[0][-1]
    of_model: tuple[str, ...] = ("scatter-{}-nasca-belebele", "heatmap-{}-nasca")
    of_model += tuple(f"layers-{{}}-{score}" for score in ("nasca", "navca", "mexa"))
    of_model += tuple(f"retrieval-{{}}-{vectors}" for vectors in ("nas", "nav", "emb"))
    models = {f"models-{score}" for score in ("nasca", "navca", "mexa")}
    shown = {"correlation", "languages-nasca", *models, *(name.format(first) for name in of_model)}
    assert names(every=False) == shown
    every = names(every=True)
    assert shown < every
    assert {"scatter-a-mexa-belebele", "scatter-b-mexa-belebele", "languages-mexa"} < every


def test_a_large_report_stays_small(tmp_path: Path) -> None:
    downstream = {
        "belebele": FLORES_TARGETS[:122],
        "m_mmlu": FLORES_TARGETS[::7],
        "arc": FLORES_TARGETS[::6],
        "xnli": FLORES_TARGETS[::14],
        "bmlama53": FLORES_TARGETS[::4],
    }
    write_run(tmp_path / "results_0.json", "org/model", FLORES_TARGETS, downstream, layers=32)
    content = Content(read_results([tmp_path]), Selection())
    text = render(content, None, "t", (), Studio(Path("unused")))
    assert len(text.encode()) < 4e6 / 8, "a page of eight models has room in 4 MB"
    page = Page(text)
    assert sum(row[2:3] == ["swh_Latn"] for row in page.rows) == 1


@pytest.mark.parametrize(
    ("task", "change", "note"),
    [
        ("belebele_fra_Latn", {"acc,none": 1e308}, "1e+308"),
        ("belebele_fra_Latn", {"acc,none": float("nan")}, "nan"),
        ("neuronxa_flores_fra_Latn", {"layers": {"nasca": [1e300, -1.0]}}, "its layers"),
        ("neuronxa_flores_fra_Latn", {"layers": {"nasca": []}}, "its layers"),
        ("neuronxa_flores_fra_Latn", {"layers": {"mexa": [0.5]}}, ""),
        ("neuronxa_flores_fra_Latn", {"layers": {"nasca": [0.5], "nas_to_pivot": [1]}}, ""),
    ],
)
def test_odd_numbers_do_no_harm(
    tmp_path: Path, one_model: Path, task: str, change: dict[str, object], note: str
) -> None:
    content = json.loads(one_model.read_text(encoding="utf-8"))
    part = content["configs"][task]["metadata"] if "layers" in change else content["results"][task]
    part.update(change)
    path = tmp_path / "results_odd.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    page = page_of(read_results([path]))
    assert page.row("German")
    assert note in page.text


def test_layers_without_neurons_are_blank_and_named(tmp_path: Path) -> None:
    path = write_run(tmp_path / "results_h.json", "org/hybrid", FLORES_CORE, layers=2)
    run = json.loads(path.read_text(encoding="utf-8"))
    for config in run["configs"].values():
        config["metadata"]["neuron_layers"] = [0, 3]
        for name in ("mexa", "emb_from_pivot", "emb_to_pivot"):
            config["metadata"]["layers"][name] += [0.5, 0.5]
    path.write_text(json.dumps(run), encoding="utf-8")
    text = html_of(read_results([path]))
    assert "org/hybrid: 2 of 4 layers have feed-forward neurons (1, 4)" in Page(text).text
    cells = re.findall(r'data-layers="(\d)"[^>]* data-values="([^"]+)"', text)
    assert len(cells) == 3
    for layers, rows in cells:
        blanks = 2 if layers == "4" else 0
        assert [row.count("--") for row in rows.split(" ")] == [blanks] * len(FLORES_CORE)


def test_intervals_and_shared_tokens_are_on_the_page_and_exported(tmp_path: Path) -> None:
    about = {"intervals": {"nasca": [0.1, 0.7], "navca": [0.9, 0.2]}, "surface": 0.25}
    codes = FLORES_CORE
    write_run(tmp_path / "results_0.json", "m", codes, {"belebele": codes}, metadata=about)
    results = read_results([tmp_path / "results_0.json"])
    report = write_report(results, tmp_path / "out", "t", Selection(), picture_formats=())
    page = Page(report.page.read_text(encoding="utf-8"))
    french = page.row("French")
    assert french[4].endswith("[0.10, 0.70]")
    assert french[5].endswith("±0.010"), "ends in the wrong order are no interval"
    assert french[7] == "0.250" and "Shared tokens: the fraction of sentence pairs" in page.text
    table = pd.read_csv(tmp_path / "out" / "languages.csv")
    assert set(table["NASCA low"]) == {0.1} and set(table["NASCA high"]) == {0.7}
    assert set(table["Shared tokens"]) == {0.25} and "NAVCA low" not in table
    latex = (tmp_path / "out" / "languages.tex").read_text(encoding="utf-8")
    assert r"\textbf{0.25" not in latex and r"\textbf{" in latex, "shared tokens are no score"


@pytest.mark.parametrize(
    "damaged",
    [
        {"intervals": [0.1, 0.7], "surface": "much"},
        {"intervals": {"nasca": [0.1]}, "surface": -1},
        {"intervals": {"nasca": [0.1, "x"], "mexa": None, "other": [0, 1]}, "surface": None},
        {"intervals": {"nasca": [0.1, 7.0]}, "surface": True},
    ],
)
def test_damaged_intervals_are_none(damaged: dict[str, object], tmp_path: Path) -> None:
    path = write_run(tmp_path / "results_0.json", "m", FLORES_CORE[:3], metadata=damaged)
    assert read_results([path]).uncertainties == {}


def test_models_are_tested_in_the_languages_that_both_have(two_models: Results) -> None:
    page = page_of(two_models)
    (row,) = (row for row in page.rows if row and "− " in row[0] and len(row) > 3)
    names = row[0].split("− ")
    nasca = two_models.table[two_models.table["metric"] == "nasca"]
    wide = nasca.pivot(index="language", columns="model", values="value").dropna()
    differences = (wide[f"org/{names[0]}"] - wide[f"org/{names[1]}"]).to_numpy()
    assert len(differences) == 8
    # Every assignment of signs to the ranks, by enumeration.
    ranks = rankdata(np.abs(differences))
    signs = np.array(list(product([-1, 1], repeat=8)))
    observed = abs(ranks @ np.sign(differences))
    p = float(np.mean(np.abs(signs @ ranks) >= observed - 1e-9))
    content = Content(two_models, Selection())
    columns, (shown,) = versus(content)
    assert [column.label for column in columns] == ["NASCA", "NAVCA", "MEXA", "belebele"]
    assert shown.differences[0].below == f"{int(np.sum(differences > 0))} of 8"
    found = paired_difference(*(wide[f"org/{name}"].to_numpy() for name in names))
    assert found.p == pytest.approx(p) and found.n == 8
    told = f"{differences.mean():+.3f}".replace("-", "−")
    assert shown.differences[0].text == told and row[1].startswith(told)
    assert float(shown.differences[0].p.removeprefix("p = ")) >= round(p, 4), "adjusted (Holm)"


def test_models_means_have_the_standard_error_over_languages(two_models: Results) -> None:
    page = page_of(two_models)
    row = next(row for row in page.rows if row and row[0] == "a" and "±" in row[1])
    table = two_models.table
    of_model = table[(table["model"] == "org/a") & (table["language"] != FLORES_CORE[0])]
    nasca = of_model.loc[of_model["metric"] == "nasca", "value"]
    assert float(row[1].partition("±")[2]) == pytest.approx(nasca.sem(), abs=0.00051)


def test_little_data_is_said_in_a_banner(tmp_path: Path) -> None:
    run = full_run()
    run.content["config"]["limit"] = 10
    path = run.write(tmp_path)
    text = path.read_text(encoding="utf-8").replace("n:100", "n:10")
    path.write_text(text, encoding="utf-8")
    content = Content(read_results([path]), Selection())
    told = list(cautions(content))
    assert told[0].startswith("belebele ran with --limit 10")
    assert told[1] == "neuronxa_flores was scored on only 10 sentence pairs; the default is 100."
    assert told[2].startswith("Few languages: 6.")
    page = page_of(content.results)
    assert all(caution in page.text for caution in told)


def test_a_claim_comes_with_what_qualifies_it(tmp_path: Path) -> None:
    codes = list(FLORES_TARGETS)[:80]
    path = write_run(tmp_path / "r.json", "m", codes, {"belebele": codes}, noise=0.1)
    content = Content(read_results([path]), Selection())
    found = correlation_table(content.joins, Selection(), bootstrap=FEW)
    row = found.table[(found.table["method"] == "pearson") & (found.table["score"] == "nasca")]
    (of_nasca,) = row.to_dict("records")
    assert of_nasca["verdict"] == "positive"
    page = page_of(content.results)
    ends = f"({of_nasca['partial_low']:.2f} to {of_nasca['partial_high']:.2f})"
    assert f"script, partial r = {of_nasca['partial_r']:.2f} {ends}" in page.text
    families = f"{of_nasca['families_low']:.2f} to {of_nasca['families_high']:.2f}"
    count = int(of_nasca["families"])
    assert f"With the {count} language families resampled" in page.text
    assert f"95 % interval is {families}." in page.text
    assert list(qualifications(of_nasca | {"verdict": "cannot tell"})) == []
    shared = {"surface_r": 0.5, "surface_low": 0.2, "surface_high": 0.7, "surface_n": 40}
    told = "by shared tokens alone, partial r = 0.50 (0.20 to 0.70, n = 40)."
    assert any(told in line for line in qualifications(of_nasca | shared))
    alone = of_nasca | {"leave_one_out_low": 0.2, "leave_one_out_high": 0.9}
    assert "With one language left out, r ranges from 0.20 to 0.90." in list(qualifications(alone))


def test_no_joins_are_explained_by_models_that_may_be_the_same(tmp_path: Path) -> None:
    write_run(tmp_path / "a.json", "org/model", FLORES_CORE)
    write_run(tmp_path / "b.json", "model", (), {"belebele": FLORES_CORE})
    content = Content(read_results([tmp_path]), Selection())
    assert content.results.hints and content.results.hints[0] in str(content.unpaired)


def test_the_page_says_what_the_best_models_numbers_mean(two_models: Results) -> None:
    content = Content(two_models, Selection())
    numbers = content.numbers[content.models[0], content.texts[0], "nasca"]
    values = {code: number.value for code, number in numbers.items()}
    mean, best = np.mean(list(values.values())), max(values, key=lambda code: values[code])
    said = str(reading(content))
    assert f"NASCA is {mean:.2f} on average over {len(values)} languages" in said
    assert f"highest in {language_of(best).name} ({values[best]:.2f})" in said
    other = content.numbers[content.models[1], content.texts[0], "nasca"].values()
    mean, name = np.mean([number.value for number in other]), content.models[1].rpartition("/")[2]
    assert said.endswith(f"The mean of the other model is {mean:.2f} ({name}).")
    assert said in page_of(two_models).text


def test_many_other_models_are_given_by_their_range(tmp_path: Path) -> None:
    for number in range(7):
        write_run(tmp_path / f"{number}.json", f"org/m{number}", FLORES_CORE)
    content = Content(read_results([tmp_path]), Selection())
    means = [
        np.mean([number.value for number in of_model.values()])
        for model in content.models[1:]
        if (of_model := content.numbers[model, content.texts[0], "nasca"])
    ]
    expected = f"The other 6 models have means of {min(means):.2f} to {max(means):.2f}."
    assert str(reading(content)).endswith(expected)


def test_models_that_differ_in_weights_alone_share_a_signature(two_models: Results) -> None:
    lines = {line.benchmark: line for line in signatures(Content(two_models, Selection()))}
    text = lines["neuronxa_flores"]
    assert [name for name, _, _ in text.models] == Content(two_models, Selection()).models
    assert "model:(2 values)" in text.signature
    assert all(f"model:{weights}" in page_of(two_models).text for _, _, weights in text.models)
