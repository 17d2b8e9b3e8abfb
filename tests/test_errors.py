"""Errors for visitors: a user's mistakes with their text, all others by the number of their log entry."""

from __future__ import annotations

import json
import logging
import re

import pytest

gradio = pytest.importorskip("gradio")

from mixviz import i18n  # noqa: E402
from mixviz.data import pictures  # noqa: E402
from mixviz.ui import api, handlers  # noqa: E402
from mixviz.ui.errors import as_user_error, only_user_errors  # noqa: E402
from mixviz.ui.services import cam_cache, detector_options  # noqa: E402
from mixviz.ui.views import batch  # noqa: E402

CAT, DOG = (pictures.photograph_path(pictures.pairs()[0][key]) for key in "ab")


def a_state(**changed) -> dict:
    return {"a": CAT, "b": DOG, "lam": 0.6, "seed": 0, "view": "detail"} | changed


def broken(*_, **__):
    raise ValueError("secret path")


def number_in(text: str) -> str:
    return re.search(r"\d{6}", text)[0]


def test_a_mistake_of_the_user_is_told_and_not_logged(caplog):
    assert "seed" in handlers.look(a_state(seed=-1))["message"]
    assert not caplog.records


@pytest.mark.parametrize("language", ["en", "ko"])
def test_an_error_of_the_program_is_told_by_the_number_that_the_log_has(monkeypatch, caplog, language):
    monkeypatch.setattr(handlers, "show", broken)
    result = handlers.look(a_state(language=language))
    assert result == {"message": i18n.say("error.internal", language, number=number_in(result["message"]))}
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("mixviz", logging.ERROR)
    assert number_in(result["message"]) in record.getMessage()
    assert "secret path" in record.exc_text
    assert "in broken" in record.exc_text  # the traceback, down to where it happened
    assert number_in(handlers.look(a_state())["message"]) != number_in(result["message"])


def test_endpoints_tell_the_number_as_well(monkeypatch, caplog):
    monkeypatch.setattr(pictures, "load_once", broken)
    for ask in (lambda: api.mix(CAT, DOG), lambda: api.saliency(CAT)):
        caplog.clear()
        with pytest.raises(gradio.Error) as error:
            ask()
        assert "secret" not in str(error.value)
        assert number_in(str(error.value)) in caplog.text


def test_a_panel_of_a_view_tells_the_number_as_well(monkeypatch, caplog):
    monkeypatch.setattr(batch, "found_by", broken)
    steps = batch.take(json.dumps(a_state(view="batch")), batch.SIDES[0], gradio.Request(session_hash="x"))
    with pytest.raises(gradio.Error) as error:
        list(steps)
    assert "secret" not in str(error.value)
    assert number_in(str(error.value)) in caplog.text


def test_restoring_a_state_tells_the_number_and_leaves_the_page(monkeypatch, caplog):
    monkeypatch.setattr(handlers, "usable", broken)
    answer = handlers.restore({"view": "grid"})
    assert answer.keys() - {"gone"} == {"message"}
    assert number_in(answer["message"]) in caplog.text


def test_one_networks_error_costs_no_other_network(monkeypatch, caplog):
    look = cam_cache.look

    def some(known, *rest):
        return broken() if known.name == "cutmix" else look(known, *rest)

    monkeypatch.setattr(cam_cache, "look", some)
    rows = {}
    for name in ("cutmix", "mixup"):
        rows |= {row["name"]: row for row in handlers.look(a_state(view="localize", only=[name]))["rows"]}
    assert number_in(rows["cutmix"]["error"]) in caplog.text
    assert "error" not in rows["mixup"]


def test_a_package_that_a_detector_needs_is_named(monkeypatch, caplog):
    def missing(*_, **__):
        raise ImportError("OpenCV is missing: pip install opencv-contrib-python-headless.")

    detector_options.maps.cache_clear()
    monkeypatch.setattr(detector_options, "saliency", missing)
    assert handlers.look(a_state())["message"].startswith("OpenCV is missing")
    with pytest.raises(gradio.Error, match="OpenCV is missing"):
        api.saliency(CAT)
    assert not caplog.records


def test_what_the_core_says_of_a_value_is_for_the_visitor():
    with pytest.raises(i18n.UserError, match="too large") as error, as_user_error():
        raise ValueError("too large")
    assert isinstance(error.value.__cause__, ValueError)
    with pytest.raises(i18n.UserError) as selected, as_user_error(), only_user_errors():
        raise i18n.UserError("missing")
    assert selected.value.key == "missing"
    with pytest.raises(KeyError), as_user_error():
        raise KeyError("x")
