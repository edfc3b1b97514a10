#!/usr/bin/env python3
"""The smallest user of libcfp in Python: explains the top class of a clip, without any package.

    explain.py MODEL CLIP FOLDER        (LD_LIBRARY_PATH names the library's folder, if need be)
"""
import ctypes
import sys
from ctypes import POINTER, Structure, byref, c_char_p, c_double, c_float, c_int, c_int32, c_int64, c_uint64, c_void_p

lib = ctypes.CDLL("libcfp.so.0")
lib.cfp_message.restype = c_char_p
lib.cfp_get_layer.restype = ctypes.c_bool


class Question(Structure):  # the fields of cfp_question, in their order
    _fields_ = [("rule", c_char_p), ("theta", c_double), ("depth", c_int), ("top", c_int), ("propagate", c_char_p),
                ("normalise", c_char_p), ("class_relevance", c_char_p), ("target", c_char_p), ("mask", c_char_p),
                ("baseline", c_char_p), ("steps", c_int), ("turn_down", c_double), ("seed", c_uint64),
                ("tubes", c_char_p),
                ("layers", c_char_p), ("interp", c_char_p)]


class Layer(Structure):  # cfp_layer_facts
    _fields_ = [("node", c_int), ("name", c_char_p), ("depth", c_int), ("kernels", c_int),
                ("relevance", POINTER(c_float)), ("selected", c_int), ("selected_kernel", POINTER(c_int32)),
                ("edges", c_int64), ("edge", c_void_p)]


def check(status):
    if status != 0:
        sys.exit("explain.py: " + lib.cfp_message(context).decode())


context, device, model, explainer, clip, answer = (c_void_p() for _ in range(6))
path, source, folder = (argument.encode() for argument in sys.argv[1:4])
question, layer = Question(), Layer()
if lib.cfp_open_context(byref(context), None) != 0:
    sys.exit("explain.py: out of memory")
lib.cfp_default_question(byref(question))
check(lib.cfp_open_device(byref(device), context, None))
check(lib.cfp_open_model(byref(model), context, path))
check(lib.cfp_open_explainer(byref(explainer), device, model, byref(question), 1, None, 0))
check(lib.cfp_read_clip(byref(clip), context, model, source, None))
check(lib.cfp_explain_clips(byref(answer), explainer, byref(clip), None))
i = 0
while lib.cfp_get_layer(byref(layer), answer, i):
    print(f"{layer.depth} {layer.name.decode()}: {layer.selected} of {layer.kernels} kernels")
    i += 1
check(lib.cfp_write_explanation(context, answer, folder, b"json,h5", None))
for handle, close in [(answer, lib.cfp_close_explanation), (clip, lib.cfp_close_clip),
                      (explainer, lib.cfp_close_explainer), (model, lib.cfp_close_model),
                      (device, lib.cfp_close_device), (context, lib.cfp_close_context)]:
    close(byref(handle))
