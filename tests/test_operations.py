"""Operations on a batch in which every image has its own sequence."""

from __future__ import annotations

import torch

from mixviz.ops.operations import AppliedOp, run


def test_every_image_shows_its_own_fill_where_it_is_empty():
    """Of three images the last two move by half their width, and the empty halves are filled with 0.25 and 0.75."""
    images, fill = torch.ones(3, 3, 4, 8), torch.tensor([0.0, 0.25, 0.75]).view(3, 1, 1, 1).expand(3, 3, 1, 1)
    moved = run([(), (AppliedOp("translate_x", (4.0,)),), (AppliedOp("translate_x", (4.0,)),)], images, fill)
    assert torch.equal(moved[0], images[0])
    for image, ground in zip(moved[1:], (0.25, 0.75), strict=True):
        torch.testing.assert_close(image[:, :, :4], torch.full((3, 4, 4), ground))
        torch.testing.assert_close(image[:, :, 4:], torch.ones(3, 4, 4))
