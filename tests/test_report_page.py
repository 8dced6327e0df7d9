"""The report as a reader meets it, in a real browser: Debian's Chromium, driven by selenium."""

from __future__ import annotations

import csv
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from statistics import stdev
from typing import Any

import pytest
from made_results import MadeRun, signature, write_run
from test_report import HOSTILE, hostile_results, html_of

from neuronxa_task.languages import FLORES_CORE, language
from neuronxa_task.results import read_results

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (CHROMIUM and DRIVER) and "CI" not in os.environ, reason="no chromium and chromedriver"
    ),
]
FLAGS = """
--headless=new --no-sandbox --disable-gpu --disable-background-networking --disable-component-update
--disable-sync --no-first-run
""".split()


class Reader:
    """A browser showing one page."""

    def __init__(self, profile: Path, *flags: str) -> None:
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service

        assert CHROMIUM and DRIVER, "CI is to have chromium and chromedriver"
        options = webdriver.ChromeOptions()
        options.binary_location = CHROMIUM
        for flag in (*FLAGS, *flags, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(DRIVER))

    def open(self, page: Path) -> None:
        self.see()
        self.driver.get(page.as_uri())

    def see(self, width: int = 1000, scheme: str = "light", media: str = "") -> None:
        """Set the window's width, the preferred colours and the medium."""
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        colours = {"name": "prefers-color-scheme", "value": scheme}
        self.driver.execute_cdp_cmd(
            "Emulation.setEmulatedMedia", {"media": media, "features": [colours]}
        )

    def run(self, script: str, *arguments: object) -> Any:
        return self.driver.execute_script(f"return {script}", *arguments)

    def overflow(self) -> float:
        """Pixels by which the page is wider than its window."""
        return float(
            self.run("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        )

    def find(self, selector: str) -> Any:
        return self.driver.find_element("css selector", selector)

    def point_at(self, selector: str) -> str:
        """Move the pointer to the middle of an element; what the page says there."""
        from selenium.webdriver import ActionChains
        from selenium.webdriver.support.ui import WebDriverWait

        self.driver.execute_async_script(
            """document.querySelector(arguments[0]).scrollIntoView({block: "center"});
            setTimeout(arguments[1], 100);""",  # scrolling hides what was said before
            selector,
        )
        ActionChains(self.driver).move_to_element(self.find(selector)).perform()
        return str(WebDriverWait(self.driver, 10).until(lambda _: self.find("#tip").text))

    def choose(self, section: str, key: str, option: str) -> None:
        from selenium.webdriver.support.ui import Select

        Select(self.find(f"#{section} select[data-key={key}]")).select_by_visible_text(option)

    def column(self, name: str) -> list[str]:
        """What the visible table of languages shows in a column, in its order."""
        shown: list[str] = self.run(
            """(() => {
              const table = [...document.querySelectorAll(".sortable")].find((t) => t.offsetParent);
              const place = [...table.tHead.rows[0].cells]
                .findIndex((cell) => cell.querySelector(".label").textContent === arguments[0]);
              return [...table.tBodies[0].rows].filter((row) => row.offsetParent)
                .map((row) => row.cells[place].textContent);
            })()""",
            name,
        )
        return shown

    def heading(self, name: str) -> Any:
        labels = self.driver.find_elements("css selector", ".sortable th .label")
        (found,) = (each for each in labels if each.is_displayed() and each.text == name)
        return found.find_element("xpath", "./ancestor::th")

    def captions(self, section: str) -> list[str]:
        found = self.driver.find_elements("css selector", f"#{section} figcaption")
        return [each.text for each in found if each.is_displayed()]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report on two models, ten languages and two benchmarks, one of them in five languages.

    Of Iraqi Arabic (acm_Arab) the resource level is unknown.
    """
    folder = tmp_path_factory.mktemp("page")
    codes = [*FLORES_CORE, "acm_Arab"]
    skills = [0.9 - 0.08 * number for number in range(len(codes))]
    for seed, model in enumerate(("org/first", "org/second")):
        downstream = {"belebele": codes, "xnli": codes[:5]}
        path = folder / f"results_{seed}.json"
        lower = [0.8**seed * skill for skill in skills]
        write_run(path, model, codes, downstream, seed=seed, skills=lower)
    written = folder / "report.html"
    written.write_text(html_of(read_results([folder])), encoding="utf-8")
    return written


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    opened = Reader(tmp_path_factory.mktemp("profile"))
    yield opened
    opened.driver.quit()


@pytest.fixture
def reader(browser: Reader, page: Path) -> Iterator[Reader]:
    """The browser with the page freshly opened; no test may leave an error in its console."""
    browser.driver.get_log("browser")
    browser.open(page)
    yield browser
    assert browser.driver.get_log("browser") == []


def test_no_request_leaves_the_file(reader: Reader, page: Path) -> None:
    reader.driver.get_log("performance")
    reader.open(page)
    reader.find("#theme").click()
    events = [
        json.loads(line["message"])["message"] for line in reader.driver.get_log("performance")
    ]
    asked = {
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    }
    assert page.as_uri() in asked
    assert {url for url in asked if not url.startswith("data:")} == {page.as_uri()}


@pytest.mark.parametrize("width", [400, 1000, 1600])
def test_nothing_overflows(reader: Reader, width: int) -> None:
    reader.see(width)
    reader.run("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    beyond = """[...document.querySelectorAll('body *')].filter((each) =>
        !each.closest('.scroll') && each.checkVisibility()
        && each.getBoundingClientRect().right > document.documentElement.clientWidth + 0.5)
        .map((each) => each.outerHTML.slice(0, 200))"""
    assert reader.run(beyond) == []
    assert reader.overflow() == 0


def test_a_click_or_the_keyboard_sorts(reader: Reader) -> None:
    from selenium.webdriver.common.keys import Keys

    def numbers(column: list[str]) -> list[float]:
        return [float(text.partition("±")[0]) for text in column if text != "–"]

    assert reader.heading("NASCA").get_attribute("aria-sort") == "descending"
    assert numbers(reader.column("NASCA")) == sorted(numbers(reader.column("NASCA")), reverse=True)
    reader.heading("xnli").find_element("css selector", "button").click()
    down = reader.column("xnli")
    assert numbers(down) == sorted(numbers(down), reverse=True) and len(numbers(down)) == 5
    assert down[5:] == ["–"] * 5
    assert reader.heading("NASCA").get_attribute("aria-sort") == "none"
    reader.heading("xnli").find_element("css selector", "button").send_keys(Keys.ENTER)
    up = reader.column("xnli")
    assert reader.heading("xnli").get_attribute("aria-sort") == "ascending"
    assert up == [*reversed(down[:5]), *["–"] * 5]
    reader.heading("Language").find_element("css selector", "button").click()
    names = reader.column("Language")
    assert names == sorted(names) and names[0] == "Chinese (Simplified)"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("FREN", ["French"]),
        ("francais", ["French"]),
        ("日本", ["Japanese"]),
        ("hin_D", ["Hindi"]),
        ("no such", []),
    ],
)
def test_search_finds_names_and_codes(reader: Reader, text: str, expected: list[str]) -> None:
    reader.find("#search").send_keys(text)
    assert reader.column("Language") == expected
    assert reader.find("#count").text == f"{len(expected)} of 10 languages"


def test_a_script_filters_the_table(reader: Reader) -> None:
    reader.find("#script").send_keys("Latin")
    assert sorted(reader.column("Language")) == ["French", "German", "Italian", "Spanish"]


def test_menus_choose_figures_and_the_model_goes_along(reader: Reader) -> None:
    assert reader.captions("scatter") == [
        "NASCA and belebele, 10 languages · first",
        "NASCA and xnli, 5 languages · first",
    ]
    reader.choose("scatter", "score", "MEXA")
    reader.choose("scatter", "benchmark", "xnli")
    assert reader.captions("scatter") == ["MEXA and xnli, 5 languages · first"]
    reader.choose("layers", "model", "second")
    assert reader.captions("scatter") == ["MEXA and xnli, 5 languages · second"]
    assert all(each.endswith("second") for each in reader.captions("layers"))
    assert reader.find("#languages-table .on h3").text == "org/second"


def test_unknown_resource_levels_come_last(reader: Reader) -> None:
    for first in ("4", "5"):
        reader.heading("Resources").find_element("css selector", "button").click()
        levels = reader.column("Resources")
        assert levels[0] == first and levels[-1] == "unknown"
        known = [int(level) for level in levels[:-1]]
        assert known == sorted(known, reverse=first == "5")


@pytest.mark.parametrize(
    ("width", "names"),
    [
        (400, ["Language"]),
        (1000, ["Language", "Code"]),
        (1600, ["Language", "Own name", "Code", "Script"]),
    ],
)
def test_names_give_way_to_scores(reader: Reader, width: int, names: list[str]) -> None:
    reader.see(width)
    shown = reader.run("""[...[...document.querySelectorAll(".sortable thead tr")]
        .find((row) => row.offsetParent).cells].filter((cell) => cell.offsetParent)
        .map((cell) => cell.querySelector(".label").textContent)""")
    assert shown[: len(names) + 1] == [*names, "NASCA"]


def shown_means(reader: Reader) -> list[str]:
    means: list[str] = reader.run("""[...[...document.querySelectorAll(".sortable tfoot tr")]
        .find((row) => row.offsetParent).cells].map((cell) => cell.textContent.trim())""")
    return [means[0], *means[4:]]


def test_means_follow_the_filter_and_are_of_the_same_languages(reader: Reader) -> None:
    before = shown_means(reader)
    assert before[0] == "Mean of the 5 languages with a value in every column"
    has_all = [text != "–" for text in reader.column("xnli")]
    for column, said in (("NASCA", before[1]), ("belebele", before[4])):
        cells = zip(reader.column(column), has_all, strict=True)
        values = [float(text.partition("±")[0]) for text, has in cells if has]
        mean, _, error = said.partition("±")
        assert float(mean) == pytest.approx(sum(values) / len(values), abs=0.00051)
        assert float(error) == pytest.approx(stdev(values) / len(values) ** 0.5, abs=0.00051)
    reader.find("#search").send_keys("French")
    (french,) = reader.column("belebele")
    after = shown_means(reader)
    assert after[0] == "Mean of the 1 languages with a value in every column"
    assert after[4] == french.partition("±")[0]


def copied(reader: Reader, button: str) -> str:
    """What a button gives to the clipboard."""
    reader.run("""(navigator.clipboard.writeText = async (text) => { window.copied = text; }, 0)""")
    reader.find(f"[aria-label='{button}']").click()
    return str(reader.run("window.copied"))


def test_tables_can_be_copied_as_they_show(reader: Reader) -> None:
    reader.find("#search").send_keys("jpn")
    (nasca,) = reader.column("NASCA")
    value, _, error = nasca.partition("±")
    rows = list(csv.reader(copied(reader, "Copy CSV: languages of first").splitlines()))
    assert rows[0][:6] == ["Language", "Own name", "Code", "Script", "NASCA", "NASCA ±"]
    assert len(rows) == 2
    assert rows[1][:6] == ["Japanese", "日本語", "jpn_Jpan", "Japanese", value, error]
    assert dict(zip(*rows, strict=True))["xnli (acc)"] == ""
    table = copied(reader, "Copy LaTeX: languages of first").splitlines()
    assert table[1] == r"\begin{tabular}{lllrrrrrr}"
    assert table[3].startswith(r"Language & Code & Script & NASCA & NAVCA & MEXA & belebele (acc)")
    assert table[5].startswith(rf"Japanese & jpn\_Jpan & Japanese & {value} $\pm${error} & ")
    assert table[5].endswith(r" & -- & 5 \\") and table[7] == r"\end{tabular}"


def test_groups_are_a_column_and_commands_one_block(reader: Reader) -> None:
    rows = list(csv.reader(copied(reader, "Copy CSV: correlations").splitlines()))
    assert rows[0][:4] == ["Group", "Benchmark", "n", "NASCA"]
    assert {row[0] for row in rows[1:]} == {"belebele", "xnli", "mean over 2 benchmarks"}
    commands = copied(reader, "Copy: commands")
    assert commands.count("lm_eval --model hf") == 2 and commands.endswith("\n")


def test_pointing_at_a_pair_of_languages_tells_its_score(browser: Reader, tmp_path: Path) -> None:
    run, codes = MadeRun(), FLORES_CORE[:5]
    for place, code in enumerate(codes):
        scores = {other: round(1 / (2 + place + at), 3) for at, other in enumerate(codes)}
        del scores[code]
        metadata = {"target": code, "signature": signature(), "pairs": {"nasca": scores}}
        run.task(f"neuronxa_flores_{code}", {"nasca": 0.5}, metadata=metadata)
    page = tmp_path / "report.html"
    page.write_text(html_of(read_results([run.write(tmp_path)])), encoding="utf-8")
    browser.driver.get_log("browser")
    browser.open(page)
    assert browser.overflow() == 0
    size = browser.run("document.querySelector('#pairs image').getBoundingClientRect().width")
    browser.driver.execute_script("document.querySelector('#pairs image').scrollIntoView()")
    told = browser.run(
        """(() => {
          const image = document.querySelector("#pairs image");
          const box = image.getBoundingClientRect();
          const [clientX, clientY] = [box.left + 0.3 * box.width, box.top + 0.1 * box.height];
          const at = {bubbles: true, clientX, clientY};
          image.dispatchEvent(new PointerEvent("pointermove", at));
          return [document.getElementById("tip").textContent, image.dataset.names];
        })()"""
    )
    first, second, *_ = told[1].split("\t")
    names = [language(code).name for code in codes]
    expected = 1 / (2 + names.index(first) + names.index(second))
    assert told[0] == f"{first} and {second}\n{expected:.3f}"
    assert size > 5 * 22  # in its own size
    assert browser.driver.get_log("browser") == []


def test_pointing_at_a_cell_or_a_mark_tells_its_value(reader: Reader) -> None:
    name, value = reader.point_at("#heatmap .on image").split("\n")
    layer, told = value.removeprefix("layer ").split(": ")
    cells = reader.run("({...document.querySelector('#heatmap .on image').dataset})")
    row = cells["names"].split("\t").index(name)
    start = 2 * (int(layer) - int(cells["first"]))
    digits = cells["values"].split(" ")[row][start : start + 2]
    assert told == f"{int(digits, 36) / 1000:.3f}"
    reader.run("""document.querySelectorAll("#scatter .on [data-tips]").forEach((group) => {
        const names = document.querySelector("[data-names]").dataset.names.split("\\t");
        const tips = group.dataset.tips.split(";");
        const place = tips.findIndex((tip) => names[tip.split("|")[0]] === "Hindi");
        group.querySelectorAll("use")[place]?.classList.add("hindi");
    })""")
    told = reader.point_at("#scatter .on .hindi")
    (nasca,) = (
        text.partition("±")[0]
        for name, text in zip(reader.column("Language"), reader.column("NASCA"), strict=True)
        if name == "Hindi"
    )
    assert told.startswith(f"Hindi\nNASCA {nasca}\nbelebele, acc 0.")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_theme_follows_the_system_and_the_button(reader: Reader, scheme: str) -> None:
    def brightness() -> float:
        colour = reader.run("getComputedStyle(document.body).backgroundColor")
        return luminance(colour)

    reader.see(scheme=scheme)
    dark = scheme == "dark"
    assert (brightness() < 0.2) == dark
    reader.find("#theme").click()
    assert (brightness() < 0.2) != dark
    assert reader.find("#theme").get_attribute("aria-pressed") == str(not dark).lower()


def luminance(colour: str) -> float:
    """Relative luminance of an `rgb(…)` colour (WCAG 2.2, https://www.w3.org/TR/WCAG22/)."""
    parts = [int(part) / 255 for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_and_marks_have_contrast(reader: Reader, scheme: str) -> None:
    reader.see(scheme=scheme)

    def contrast(ink: str, paper: str) -> float:
        colours = reader.run(
            """arguments[0].map((name) => {
              document.body.style.outlineColor = `var(--${name})`;
              return getComputedStyle(document.body).outlineColor;
            })""",
            [ink, paper],
        )
        low, high = sorted(map(luminance, colours))
        return (high + 0.05) / (low + 0.05)

    for ink, paper in (("ink", "bar"), ("quiet", "paper"), ("quiet", "raised"), ("link", "paper")):
        assert contrast(ink, paper) >= 4.5, (ink, paper)
    for colour in range(8):
        assert contrast(f"c{colour}", "paper") >= 4.5, colour  # names are in these colours, too


def test_charts_follow_the_theme(reader: Reader) -> None:
    def of_text() -> float:
        text = "document.querySelector('#scatter .on text')"
        return luminance(reader.run(f"getComputedStyle({text}).fill"))

    assert of_text() < 0.2
    reader.find("#theme").click()
    assert of_text() > 0.3


def test_print_shows_what_the_screen_shows_and_folded_tables(reader: Reader) -> None:
    on_screen = len(reader.captions("scatter"))
    reader.choose("scatter", "score", "all")
    reader.find("#search").send_keys("French")
    reader.see(media="print")
    assert len(reader.captions("scatter")) == 3 * on_screen == 6
    assert reader.column("Language") == ["French"]
    heights = reader.run("""[...document.querySelectorAll("details tbody tr")]
        .map((row) => row.getBoundingClientRect().height)""")
    assert heights and all(heights), "folded tables are unfolded"
    assert luminance(reader.run("getComputedStyle(document.body).backgroundColor")) > 0.9
    assert not reader.find("#search").is_displayed()


def test_print_fits_the_paper_and_repeats_heads_only(reader: Reader) -> None:
    reader.see(width=718, media="print")  # A4 in Chromium's own margins
    beyond = """[...document.querySelectorAll("table")].filter((each) =>
        each.getBoundingClientRect().right > document.documentElement.clientWidth)
        .map((each) => each.dataset.copy)"""
    assert reader.run(beyond) == []
    shown = "getComputedStyle(document.querySelector('.on .sortable %s')).display"
    assert reader.run(shown % "tfoot") == "table-row-group"
    assert reader.run(shown % "th button") == "contents", "Chromium repeats no head with buttons"


@pytest.mark.parametrize("width", [700, 1000, 1300, 1600])
def test_words_in_charts_are_large_enough(reader: Reader, width: int) -> None:
    """The page has one drawing of the languages; a page of many languages has four."""
    reader.see(width)
    reader.run("""(() => {
      const place = document.querySelector("#models .drawings");
      for (let n = 0; n < 3; n++) place.append(place.firstElementChild.cloneNode(true));
    })()""")
    sizes = """[...document.querySelectorAll("main .chart text")].filter((each) =>
        each.getClientRects().length).map((each) => each.ownerSVGElement.getScreenCTM().a
        * parseFloat(getComputedStyle(each).fontSize))"""
    assert min(reader.run(sizes)) > 8


def test_without_scripts_everything_is_there(tmp_path: Path, page: Path) -> None:
    plain = Reader(tmp_path, "--blink-settings=scriptEnabled=false")
    try:
        plain.open(page)
        for section, count in (("scatter", 12), ("layers", 6), ("heatmap", 6), ("retrieval", 6)):
            assert len(plain.captions(section)) == count
        assert not plain.find("#search").is_displayed()
    finally:
        plain.driver.quit()


def test_hostile_names_do_nothing_but_show(browser: Reader, tmp_path: Path) -> None:
    path = tmp_path / "hostile.html"
    path.write_text(html_of(hostile_results(tmp_path), title=HOSTILE), encoding="utf-8")
    browser.driver.get_log("browser")
    browser.open(path)
    assert browser.run("window.hacked === undefined")
    assert browser.find("h1").text == HOSTILE == browser.driver.title
    assert browser.driver.find_elements("css selector", "img, section script") == []
    browser.see(400)
    assert browser.overflow() == 0
    assert browser.driver.get_log("browser") == []
