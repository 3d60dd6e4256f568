"""Whether an estimator is fitted: one that is not loads well, and answers nothing."""

from __future__ import annotations

import warnings
from typing import Any

from tiffin.exceptions import UnfittedModelWarning


def warn_if_unfitted(model: Any) -> None:
    """Warn of an estimator that says of itself that it is not fitted."""
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    try:
        check_is_fitted(model)
    except TypeError:  # it, or a part of it, cannot be fitted at all
        return
    except NotFittedError as error:
        warnings.warn(
            f"The estimator {type(model).__name__} is saved unfitted: {error}", UnfittedModelWarning, stacklevel=3
        )
