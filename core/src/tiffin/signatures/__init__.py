"""Signatures: which methods a model has, which calls may be merged, what goes in and out, defaults."""

from tiffin.signatures._batch_dim import BatchDim, BatchDimLike, InputBatchDim
from tiffin.signatures._checks import SignatureLike, check_signatures, normalise_signatures
from tiffin.signatures._example import Arguments, call_method, infer_signature_specs
from tiffin.signatures._methods import find_method
from tiffin.signatures._partial import PartialKwargs, bind_partial, check_partial_kwargs, merge_partial_kwargs
from tiffin.signatures._signature import ModelSignature
from tiffin.signatures._spec import infer_spec
from tiffin.signatures._spec_check import check_spec
from tiffin.signatures._spec_form import Spec, describe_spec, plain_spec

__all__ = [
    "Arguments",
    "BatchDim",
    "BatchDimLike",
    "InputBatchDim",
    "ModelSignature",
    "PartialKwargs",
    "SignatureLike",
    "Spec",
    "bind_partial",
    "call_method",
    "check_partial_kwargs",
    "check_signatures",
    "check_spec",
    "describe_spec",
    "find_method",
    "infer_signature_specs",
    "infer_spec",
    "merge_partial_kwargs",
    "normalise_signatures",
    "plain_spec",
]
