"""What learns in a forecast: gradient-boosted trees of scikit-learn, the extra `forecast`. Imported nowhere else.

One thread and a fixed seed, so that the same readings make the same forecast again. The absolute error is what is
learnt to be small, since that is what a back-test reports.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from meterhall.domain.errors import Unavailable
from meterhall.domain.forecasting.day_ahead import Predict, Values

MOST_ROWS: Final = 4000
"""Slots learnt from at most, drawn at random where there are more: the time a curve takes stays bounded."""
_SETTING: Final[dict[str, Any]] = {
    "loss": "absolute_error", "max_iter": 40, "learning_rate": 0.1, "max_leaf_nodes": 7, "min_samples_leaf": 40,
    "early_stopping": False, "random_state": 0,
}  # fmt: skip


class ForecastMissing(Unavailable):
    code = "forecast_missing"
    title = "Forecasts need the library they are made with: pip install 'meterhall[platform,forecast]'."


def require_library() -> None:
    """Raises `ForecastMissing` where the extra `forecast` is not installed; imports nothing of it."""
    if find_spec("sklearn") is None or find_spec("threadpoolctl") is None:
        raise ForecastMissing


def boosted(features: NDArray[np.float64], values: NDArray[np.float64]) -> Predict:
    """Learn from features (rows, features; NaN where unknown) and values (rows,). Raises `ForecastMissing`."""
    require_library()
    from sklearn.ensemble import HistGradientBoostingRegressor
    from threadpoolctl import threadpool_limits

    if len(values) > MOST_ROWS:
        chosen = np.sort(np.random.default_rng(0).choice(len(values), MOST_ROWS, replace=False))
        features, values = features[chosen], values[chosen]
    unknown = ~np.isfinite(features).any(axis=0)
    features = np.where(
        unknown, 0.0, features
    )  # a column without any number is refused; of one number nothing is learnt
    model = HistGradientBoostingRegressor(**_SETTING)
    with threadpool_limits(limits=1):
        model.fit(features, values)

    def predict(wanted: Values) -> Values:
        with threadpool_limits(limits=1):
            return np.asarray(model.predict(wanted), np.float64)

    return predict
