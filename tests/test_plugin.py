"""Each reliance on the harness's insides; where one fails, `neuronxa_task/plugin.py` changes."""

from __future__ import annotations

import importlib.metadata
import inspect
import sys
from pathlib import Path
from typing import Any

import pytest
from lm_eval.api.model import LM
from lm_eval.api.task import Task
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager

from neuronxa_task import NeuronXAError, plugin, settings
from neuronxa_task.output import require_output_of_harness
from neuronxa_task.task import NeuronXATask


def load(tasks: Path, name: str, **metadata: Any) -> NeuronXATask:
    manager = TaskManager(include_path=str(tasks), include_defaults=False, metadata=metadata)
    task = manager.load_task_or_group([name])[name]
    assert isinstance(task, NeuronXATask)
    return task


def test_an_unknown_harness_is_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda _: "0.5.0.dev1")
    with pytest.raises(NeuronXAError, match=r"lm_eval 0.5.0.dev1 is installed; .* \"lm_eval<0.5\""):
        plugin.require_known_harness()


def test_every_backend_has_the_method_that_evaluate_calls() -> None:
    plugin.register()
    assert callable(getattr(LM, settings.REQUEST_TYPE))
    assert getattr(HFLM, settings.REQUEST_TYPE) is getattr(LM, settings.REQUEST_TYPE)


def test_tasks_get_the_user_s_metadata_and_the_name_of_their_file(made_up_tasks: Path) -> None:
    task = load(made_up_tasks, "made_up_far", num_sentences=5, pretrained="model")
    assert task.settings.num_sentences == 5
    assert task.config.metadata["pretrained"] == "model"
    assert Path(task.config.metadata["config_source"]) == made_up_tasks / "made_up_far.yaml"
    assert task.task_name == "made_up_far"


def test_what_the_file_says_is_known_behind_the_user_s_metadata(made_up_tasks: Path) -> None:
    task = load(made_up_tasks, "made_up_far", pivot="far")
    own = plugin.metadata_of_file(task.config.metadata)
    assert (own["language"], own["pivot"]) == ("far", "piv")
    assert task.config.metadata["target"] == "piv", "the file's pivot takes the language's place"
    assert plugin.metadata_of_file({"pivot": "near"}) == {"pivot": "near"}, "it came from no file"


def test_another_language_than_the_task_s_is_refused(made_up_tasks: Path) -> None:
    with pytest.raises(NeuronXAError, match="'near', but made_up_far is about 'far'"):
        load(made_up_tasks, "made_up_far", language="near")


def test_a_configured_task_has_what_the_harness_s_constructor_gives() -> None:
    class Plain(Task):
        def _nothing(self, *_args: Any, **_kwargs: Any) -> None: ...

        download = has_training_docs = has_validation_docs = has_test_docs = _nothing
        doc_to_text = doc_to_target = construct_requests = process_results = _nothing
        aggregation = higher_is_better = _nothing

    made, configured = Plain(), object.__new__(Plain)
    plugin.configure(configured, {"output_type": settings.REQUEST_TYPE})
    of_fewshot = {"_training_docs", "_fewshot_docs", "fewshot_rnd"}
    assert set(vars(made)) - set(vars(configured)) <= of_fewshot
    assert configured.instances == []
    assert configured.config.output_type == settings.REQUEST_TYPE


def test_the_dumped_configuration_takes_what_aggregation_adds(made_up_tasks: Path) -> None:
    """lm_eval 0.4.10 and 0.4.11 dump it before they aggregate."""
    task = load(made_up_tasks, "made_up_far")
    dumped = task.dump_config()
    task.config.metadata["layers"] = {"nasca": [0.5]}
    assert dumped["metadata"]["layers"] == {"nasca": [0.5]}
    assert dumped["task"] == "made_up_far"


def test_no_argument_of_the_harness_s_model_is_taken_for_a_mistyped_setting() -> None:
    arguments = dict.fromkeys(inspect.signature(HFLM.__init__).parameters, 1)
    assert settings.Settings.from_metadata(arguments) == settings.Settings()


def test_the_output_path_of_a_configuration_file_is_checked_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    config = tmp_path / "run.yaml"
    config.write_text(f"model: hf\noutput_path: {tmp_path / 'file' / 'out'}\n", encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["lm_eval", "run", "--config", str(config)])
    with pytest.raises(NeuronXAError, match=r"^output_path of .*run\.yaml is .*, but .* is a file"):
        require_output_of_harness()
    # The command's own option has precedence, and other files are the harness's to refuse.
    monkeypatch.setattr(sys, "argv", [*sys.argv, "--output_path", str(tmp_path / "out")])
    require_output_of_harness()
    for content in ("[1, 2", "- a list", "output_path: 3"):
        config.write_text(content, encoding="utf-8")
        monkeypatch.setattr(sys, "argv", ["lm_eval", "run", "-C", str(config)])
        require_output_of_harness()
