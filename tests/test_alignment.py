"""The maths of alignment, against loops, by hand, and by its properties."""

from __future__ import annotations

import json
import math
import re
import threading

import numpy as np
import pytest
import torch

from neuronxa_task.errors import NeuronXAError
from neuronxa_task.scoring.alignment import Alignment, Retrieval, aligned_layers, retrieval
from neuronxa_task.scoring.rivals import Combine, rivals_by_layer
from neuronxa_task.scoring.similarity import _first_equal, cosine, inner_products


def random_vectors(n: int, features: int, layers: int = 1, seed: int = 0) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(n, features, generator=generator) for _ in range(layers)]


def naive_directions(pivot: torch.Tensor, target: torch.Tensor) -> tuple[list[bool], list[bool]]:
    """From the pivot (rows) and to it (columns), by the definition, in Python floats."""

    def cosine(a: list[float], b: list[float]) -> float:
        dot = math.fsum(x * y for x, y in zip(a, b, strict=True))
        return dot / math.sqrt(math.fsum(x * x for x in a)) / math.sqrt(math.fsum(y * y for y in b))

    p, t = pivot.double().tolist(), target.double().tolist()
    n = len(p)
    c = [[cosine(p[i], t[j]) for j in range(n)] for i in range(n)]
    row = [all(c[k][k] > c[k][j] for j in range(n) if j != k) for k in range(n)]
    column = [all(c[k][k] > c[i][k] for i in range(n) if i != k) for k in range(n)]
    return row, column


@pytest.mark.parametrize("n", [2, 3, 17])
@pytest.mark.parametrize("noise", [0.1, 1.0, 5.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_directions_follow_the_definition(n: int, noise: float, dtype: torch.dtype) -> None:
    pivot = random_vectors(n, 8, layers=3)
    target = [
        p + noise * q for p, q in zip(pivot, random_vectors(n, 8, layers=3, seed=1), strict=True)
    ]
    pivot, target = [p.to(dtype) for p in pivot], [t.to(dtype) for t in target]
    found = retrieval(pivot, target)
    for layer in range(3):
        row, column = naive_directions(pivot[layer], target[layer])
        assert found.from_pivot[layer].tolist() == row
        assert found.to_pivot[layer].tolist() == column


def test_worked_example() -> None:
    # Angles in degrees. Pivot: 0, 60, 120. Target: 10, 50, 75 (pair by pair).
    # Row 1: |0-10|=10 < 50, 75: found. Row 2: 60-50=10 < 60-75=15 < 50: found.
    # Row 3: 120-75=45 < 70, 110: found.
    # Column 1: 10 < 50 < 110: found. Column 2: 10 < 50 < 70: found.
    # Column 3: 75-60=15 < 120-75=45: pivot 2 is nearer, so pair 3 is not aligned.
    def at(*degrees: float) -> torch.Tensor:
        return torch.tensor(
            [[math.cos(math.radians(d)), math.sin(math.radians(d))] for d in degrees]
        )

    found = retrieval([at(0, 60, 120)], [at(10, 50, 75)])
    assert found.from_pivot.tolist() == [[True, True, True]]
    assert found.to_pivot.tolist() == [[True, True, False]]
    assert found.weak.tolist() == [[True, True, False]]
    assert found.score == pytest.approx(2 / 3)


def test_distinct_sentences_are_aligned_with_themselves() -> None:
    vectors = random_vectors(50, 16, layers=4)
    assert retrieval(vectors, vectors).score == 1.0


def test_permuting_the_pairs_permutes_the_answer() -> None:
    pivot, target = random_vectors(40, 6), random_vectors(40, 6, seed=1)
    target = [p + t for p, t in zip(pivot, target, strict=True)]
    order = torch.randperm(40, generator=torch.Generator().manual_seed(3))
    found = retrieval(pivot, target).weak
    permuted = retrieval([p[order] for p in pivot], [t[order] for t in target]).weak
    assert 0 < found.sum() < 40
    assert torch.equal(found[:, order], permuted)


def test_exchanging_the_languages_exchanges_the_directions() -> None:
    pivot = random_vectors(30, 6)
    target = [p + q for p, q in zip(pivot, random_vectors(30, 6, seed=1), strict=True)]
    forth, back = retrieval(pivot, target), retrieval(target, pivot)
    assert torch.equal(forth.from_pivot, back.to_pivot)
    assert torch.equal(forth.weak, back.weak)


@pytest.mark.parametrize("n", [2, 7, 100])
@pytest.mark.parametrize("features", [3, 513])
def test_a_tie_is_not_aligned(n: int, features: int) -> None:
    vectors = random_vectors(n, features)[0]
    repeated = vectors.clone()
    repeated[-1] = repeated[0]
    # The repeated target ties in its pivots' rows; every other pair still finds itself.
    found = retrieval([vectors], [repeated])
    assert found.from_pivot[0, 0].item() is False
    assert found.from_pivot[0, 1:-1].all()
    both = retrieval([repeated], [repeated])
    assert both.weak[0].tolist() == [False, *[True] * (n - 2), False]


def test_equal_vectors_have_equal_similarities_to_the_bit() -> None:
    # 101 x 1003: odd edges, where blocked matrix products take another path.
    vectors = random_vectors(101, 1003)[0]
    vectors[100] = vectors[3]
    similarity = cosine(inner_products(vectors, vectors))
    assert torch.equal(similarity[:, 100], similarity[:, 3])
    assert torch.equal(similarity[100], similarity[3])


@pytest.mark.parametrize(
    "rows",
    [
        [[1, 2], [2, 1], [1, 2], [0, 0], [2, 1], [1, 2], [-1, 2], [3, 3]],  # equal lengths differ
        [[1, 0], [2, 0], [2, 0]],  # the shortest is not repeated
        [[1, 2]] * 3,
        [[1, 0], [2, 0], [3, 0]],
    ],
)
def test_each_vector_is_traced_to_the_first_equal_one(rows: list[list[int]]) -> None:
    # Not every processor's matrix product rounds equal rows differently, so scores may not show it.
    vectors = torch.tensor(rows, dtype=torch.float32)
    first = _first_equal(vectors, vectors.double().square().sum(dim=1))
    assert first.tolist() == [rows.index(row) for row in rows]


def test_a_zero_vector_is_never_aligned_and_harms_no_other_pair() -> None:
    vectors = random_vectors(5, 4)[0]
    target = vectors.clone()
    target[2] = 0
    found = retrieval([vectors], [target])
    assert found.weak[0].tolist() == [True, True, False, True, True]


def test_scale_does_not_matter() -> None:
    pivot, target = random_vectors(20, 5), random_vectors(20, 5, seed=2)
    scaled = [p * torch.arange(1, 21)[:, None] for p in pivot]
    assert torch.equal(retrieval(pivot, target).weak, retrieval(scaled, target).weak)


def test_a_single_pair_has_no_alignment() -> None:
    with pytest.raises(NeuronXAError, match="at least 2 pairs"):
        retrieval([torch.ones(1, 3)], [torch.ones(1, 3)])


@pytest.mark.parametrize(
    ("pivot", "target", "message"),
    [
        ([torch.ones(2, 3)], [torch.ones(2, 4)], r"\[2, 3\] and \[2, 4\]"),
        ([torch.ones(2, 3)], [torch.ones(3, 3)], "2 pivot vectors and 3 target vectors"),
        ([torch.ones(2, 3)] * 2, [torch.ones(2, 3)], "different numbers of layers"),
    ],
)
def test_shapes_that_do_not_fit(
    pivot: list[torch.Tensor], target: list[torch.Tensor], message: str
) -> None:
    with pytest.raises(NeuronXAError, match=message):
        retrieval(pivot, target)


def in_parts(
    pivot: torch.Tensor,
    target: torch.Tensor,
    parts: list[list[int]],
    target_sentences: list[str] | None = None,
) -> list[Retrieval]:
    """What each of several processes gets, which hold some of the pairs' targets each."""
    processes = [_Process() for _ in parts]
    threads = []
    barrier = threading.Barrier(len(parts))

    def run(process: _Process, part: list[int]) -> None:
        def maximum(tensor: torch.Tensor) -> torch.Tensor:
            process.told = tensor
            barrier.wait()
            result = torch.stack([other.told for other in processes]).amax(dim=0)
            barrier.wait()
            return result

        layers = rivals_by_layer(
            [pivot],
            [target[part]],
            pairs=part,
            target_sentences=target_sentences,
            combine=Combine(maximum=maximum),
        )
        process.result = Retrieval.of_layers(layers)

    for process, part in zip(processes, parts, strict=True):
        threads.append(threading.Thread(target=run, args=(process, part)))
        threads[-1].start()
    for thread in threads:
        thread.join()
    return [process.result for process in processes]


class _Process:
    told: torch.Tensor
    result: Retrieval


@pytest.mark.parametrize("sizes", [[7, 8], [0, 15], [1, 1, 13], [5, 5, 5]])
def test_targets_split_over_processes_give_the_whole(sizes: list[int]) -> None:
    pivot, target = random_vectors(15, 4)[0], random_vectors(15, 4, seed=5)[0] * 0.7
    target = target + pivot
    whole = retrieval([pivot], [target])
    assert 0 < whole.weak.sum() < 15
    order = torch.randperm(15, generator=torch.Generator().manual_seed(1))
    for result in in_parts(pivot, target, [part.tolist() for part in order.split(sizes)]):
        assert torch.equal(result.from_pivot, whole.from_pivot)
        assert torch.equal(result.to_pivot, whole.to_pivot)


@pytest.mark.parametrize("part", [[0, 1, 2, 3], [2]])
def test_processes_exchange_a_bounded_number_of_layers_at_a_time(
    part: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    two_layers = 2 * 4 * 4 * 8
    monkeypatch.setattr("neuronxa_task.scoring.rivals.EXCHANGED_BYTES", two_layers)
    pivot, target = random_vectors(4, 8, layers=5), random_vectors(4, 8, layers=5, seed=1)
    exchanged: list[list[int]] = []

    def maximum(tensor: torch.Tensor) -> torch.Tensor:
        exchanged.append(list(tensor.shape))
        return tensor

    of_part = [layer[part] for layer in target]
    layers = rivals_by_layer(pivot, of_part, pairs=part, combine=Combine(maximum=maximum))
    assert len(list(layers)) == 5
    # Processes with different numbers of targets have to exchange equal shapes.
    assert exchanged == [[2, 4], [2, 2, 4, 4], [2, 4], [2, 2, 4, 4], [1, 4], [2, 1, 4, 4]]


def test_equal_sentences_tie_although_two_processes_round_them_differently() -> None:
    pivot = torch.eye(4)
    target = torch.eye(4)
    target[3] = target[0] * (1 + 1e-6) + 1e-7  # the sentence of pair 0, computed elsewhere
    parts = [[0, 1], [2, 3]]
    names = ["same", "b", "c", "same"]
    for result in in_parts(pivot, target, parts, names):
        assert result.from_pivot.tolist() == [[False, True, True, False]]
    by_rounding, _ = in_parts(pivot, target, parts)
    assert by_rounding.from_pivot[0].sum() > 2, "rounding alone would not see the tie"


def test_metrics_and_layers() -> None:
    def bools(rows: list[list[int]]) -> torch.Tensor:
        return torch.tensor(rows, dtype=torch.bool)

    nas = Retrieval(bools([[1, 1, 1, 1], [1, 0, 0, 1]]), bools([[1, 1, 0, 1], [1, 1, 0, 0]]))
    nav = Retrieval(bools([[1, 0, 0, 0], [0, 0, 0, 0]]), bools([[1, 0, 0, 0], [1, 1, 1, 1]]))
    emb = Retrieval(torch.ones(3, 4, dtype=torch.bool), bools([[0] * 4, [1] * 4, [1, 1, 0, 0]]))
    alignment = Alignment(nas, nav, emb)
    # nas: layers 3/4 and 1/4; nav: 1/4 and 0; emb: 0, 1 and 1/2.
    assert alignment.metrics() == {
        "nasca": 0.5,
        "navca": 0.125,
        "mexa": 0.5,
        "nasca_max": 0.75,
        "navca_max": 0.25,
        "mexa_max": 1.0,
    }
    layers = alignment.layers()
    assert layers["nasca"] == [0.75, 0.25]
    assert layers["nas_from_pivot"] == [1.0, 0.5]
    assert layers["nas_to_pivot"] == [0.75, 0.5]
    assert layers["emb_to_pivot"] == [0.0, 1.0, 0.5]
    assert list(layers) == [
        *("nasca", "nas_from_pivot", "nas_to_pivot"),
        *("navca", "nav_from_pivot", "nav_to_pivot"),
        *("mexa", "emb_from_pivot", "emb_to_pivot"),
    ]


def test_more_layers_than_two_hex_digits_count_are_not_recorded() -> None:
    weak = torch.ones(256, 2, dtype=torch.bool)
    assert aligned_layers(Retrieval(weak[:255], weak[:255])) == "ffff"
    weak[:, 1] = False
    assert aligned_layers(Retrieval(weak, weak)) is None


@pytest.fixture
def shown() -> Alignment:
    """Three layers of which the second has no neurons; pair 2 is never aligned."""
    eye, wrong = torch.eye(4), torch.eye(4)[[0, 1, 1, 3]]
    neurons, hidden = retrieval([eye] * 2, [wrong] * 2), retrieval([eye] * 4, [eye] * 4)
    return Alignment(neurons, neurons, hidden, (0, 2), {"nasca": (0.25, 0.75)}, surface=0.125)


def test_an_alignment_is_printed_as_its_scores(shown: Alignment) -> None:
    assert str(shown) == "NASCA 0.500, NAVCA 0.500, MEXA 1.000"
    assert repr(shown) == f"Alignment({shown}, 4 pairs, 2 layers with neurons)"
    page = shown._repr_html_()
    assert "0.250 to 0.750" in page
    assert all(f"<th>{score}</th>" in page for score in ("NASCA", "NAVCA", "MEXA"))
    assert "4 pairs; 0.125 by shared tokens alone" in page
    assert not re.search(r"\d\.\d{4}", page), "longer numbers say no more"


def test_an_alignment_as_a_table_and_a_dictionary(shown: Alignment) -> None:
    table = shown.to_frame()
    assert table.index.tolist() == [0, 1, 2, 3]
    assert table["nasca"].dropna().to_dict() == {1: 0.5, 3: 0.5}
    assert table["mexa"].tolist() == [1.0] * 4
    plain = shown.to_dict()
    assert plain["nasca"] == 0.5
    assert plain["layers"] == shown.layers()
    assert plain["neuron_layers"] == [0, 2]
    assert (plain["pairs"], plain["surface"]) == (4, 0.125)
    assert json.loads(json.dumps(plain)) == plain


def test_layers_are_drawn_where_they_are(shown: Alignment) -> None:
    axes = shown.plot_layers()
    curves = {
        str(line.get_label()): np.asarray(line.get_xdata()).tolist() for line in axes.get_lines()
    }
    assert curves["NASCA 0.500"] == [1, 3]
    assert curves["MEXA 1.000"] == [0, 1, 2, 3]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("layer", "aligned pairs (fraction)")
    assert axes.get_ylim() == pytest.approx((0, 1), abs=0.05), "of all models, the same scale"
    assert all(tick == round(tick) for tick in axes.get_xticks())
    legend = axes.get_legend()
    assert legend is not None and len(legend.get_texts()) == 3
