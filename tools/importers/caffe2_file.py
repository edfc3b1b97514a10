"""Reads the checkpoints that PySlowFast got from Caffe2: a pickle {"blobs": {name: array}}, and gives its arrays the names that
PySlowFast uses. Such a file is read like those of torch.save: nothing that it names is run.

The names of the blobs are those of the authors' video networks in Caffe2: res2_0_branch2a_w, res2_0_branch2a_bn_rm; a fast
pathway's begin with t_; t_pool1_subsample_w and t_res2_2_branch2c_bn_subsample_w fuse the fast pathway into the slow one.
"""
from __future__ import annotations

import re
from typing import Any, Dict, Optional, Tuple

_NORM = {"s": "weight", "b": "bias", "rm": "running_mean", "riv": "running_var"}
_PLAIN = {"w": "weight", "b": "bias"}
_FUSE = re.compile(r"t_(?:pool1|res(?P<stage>[2-4])_[0-9]+_branch2c_bn)_subsample_(?P<norm>bn_)?(?P<kind>s|b|rm|riv|w)$")
_BLOCK = re.compile(r"(?P<fast>t_)?res(?P<stage>[2-5])_(?P<block>[0-9]+)_branch(?P<branch>1|2)(?P<part>[abc])?_(?P<norm>bn_)?(?P<kind>s|b|rm|riv|w)$")
_STEM = re.compile(r"(?P<fast>t_)?(?:res_conv1_(?P<norm>bn_)|conv1_)(?P<kind>s|b|rm|riv|w)$")
_HEAD = re.compile(r"pred_(?P<kind>w|b)$")


def _kind(found: re.Match) -> Optional[str]:
    return (_NORM if found["norm"] else _PLAIN).get(found["kind"])


def key_of(blob: str) -> Optional[str]:
    """PySlowFast's key of a blob; None if it is no tensor of a network (a learning rate, a momentum)."""
    found = _FUSE.match(blob)
    if found and _kind(found):
        return f"s{found['stage'] or 1}_fuse.{'bn' if found['norm'] else 'conv_f2s'}.{_kind(found)}"
    found = _BLOCK.match(blob)
    if found and _kind(found) and (found["branch"] == "1") == (found["part"] is None):
        at = f"s{found['stage']}.pathway{1 if found['fast'] else 0}_res{found['block']}.branch{found['branch']}"
        at += f".{found['part']}" if found["part"] else ""
        return f"{at}{'_bn' if found['norm'] else ''}.{_kind(found)}"
    found = _STEM.match(blob)
    if found and _kind(found):
        return f"s1.pathway{1 if found['fast'] else 0}_stem.{'bn' if found['norm'] else 'conv'}.{_kind(found)}"
    found = _HEAD.match(blob)
    return f"head.projection.{_PLAIN[found['kind']]}" if found else None


def state_of(value: Any) -> Optional[Tuple[Dict[str, Any], Tuple[str, ...]]]:
    """Of a whole file: the tensors by PySlowFast's keys, and the blobs that are none; None if it has no blobs."""
    blobs = value.get("blobs") if isinstance(value, dict) else None
    if not isinstance(blobs, dict):
        return None
    named = {str(name): key_of(str(name)) for name in blobs}
    return ({key: blobs[name] for name, key in named.items() if key}, tuple(name for name, key in named.items() if not key))
