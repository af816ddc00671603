"""Model folders of format 1, written before the networks' levels were data: read as those of today.

Only names differ. Format 1 counted channels by level and gave all heads one width; its U-Net kept its blocks in six
lists, one a kind.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any


def configurations(about: Mapping[str, Any]) -> dict[str, Any]:
    """The networks' configurations in a model.json of format 1, as today's would have them.

    >>> old = {"unet": {"channels": [64, 96], "head_width": 32}, "vae": {"channels": [32, 64]}, "clip": {}}
    >>> configurations(old)["unet"]["levels"][1]
    {'channels': 96, 'heads': 3}
    """
    unet, vae = dict(about["unet"]), dict(about["vae"])
    channels, width = unet.pop("channels"), unet.pop("head_width")
    if not isinstance(width, int) or width < 1 or any(C % width for C in channels):
        raise ValueError(f"unet: head_width is {width}; wanted a divisor of its channels, {channels}")
    unet["levels"] = [{"channels": C, "heads": C // width} for C in channels]
    unet["middle"] = {"channels": channels[-1]}
    vae["levels"] = [{"channels": C} for C in vae.pop("channels")]
    return {**about, "unet": unet, "vae": vae}


def unet_name(name: str, levels: int) -> str:
    """Today's name of a parameter of the U-Net.

    >>> unet_name("upsamplers.0.weight", levels=2)
    'up.0.2.conv.weight'
    """
    found = re.fullmatch(r"([a-z_]+)\.(\d+)\.(.*)", name)
    if found is None:
        return re.sub(r"^middle\.", "middle.0.", re.sub(r"^conv_in\.", "down.0.0.", name))
    kind, level, rest = found[1], int(found[2]), found[3]
    above = levels - 1 - level  # rows going up are counted from the bottom
    rows = {
        "down_blocks": f"down.{level}.1",
        "down_attentions": f"down.{level}.2",
        "downsamplers": f"down.{level + 1}.0",
        "up_blocks": f"up.{above}.0",
        "up_attentions": f"up.{above}.1",
        "upsamplers": f"up.{above - 1}.2.conv",
    }
    return f"{rows.get(kind, f'{kind}.{level}')}.{rest}"
