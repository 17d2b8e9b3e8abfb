"""Numbers of a recipe, by hand."""

from __future__ import annotations

import torch

from mixviz.core.recipe import Truth


def test_the_gap_is_the_label_mass_on_the_wrong_picture():
    share, fair = torch.tensor([[0.7, 0.25], [0.3, 0.75]]), torch.tensor([[0.4, 0.25], [0.6, 0.75]])
    partner = torch.tensor([[0, 1], [1, 0]])
    torch.testing.assert_close(Truth(fair, fair, share, partner).gap, torch.tensor([0.3, 0.0]))
    alone = Truth(fair, fair, share, torch.tensor([[0, 1], [0, 1]]))  # both sources are the image itself
    torch.testing.assert_close(alone.gap, torch.zeros(2))
