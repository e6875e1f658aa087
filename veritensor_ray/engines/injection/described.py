"""Validates the description of an injection model in `calibration.json` or the catalog."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from veritensor_ray.core.config import explain
from veritensor_ray.core.errors import ModelError
from veritensor_ray.models.model_store import Model

_Number = Annotated[float, Field(allow_inf_nan=False)]
_Probability = Annotated[float, Field(gt=0, lt=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Levels(_Strict):
    """The probabilities from which a finding is low, medium and high. A model without `low` has no findings below medium."""

    low: _Probability | None = None
    medium: _Probability
    high: _Probability


class Described(_Strict):
    """How a model is used: the size and stride of its windows in tokens, its thresholds and, if there is a first stage, its role.

    `mix` holds a, b and c of log odds = a · min(transformer, `ceiling`) + b · first stage + c. The transformer reads the passages that
    the first stage scores at `gate` or above. `first_stage` is the digest of the first stage that `mix` was fitted with, if that is not part of
    the model.
    """

    window_tokens: Annotated[int, Field(ge=8)]
    stride_tokens: Annotated[int, Field(ge=1)]
    thresholds: Levels
    gate: _Number | None = None
    mix: tuple[Annotated[float, Field(ge=0, allow_inf_nan=False)], _Number, _Number] = (1.0, 0.0, 0.0)
    ceiling: _Number | None = None
    first_stage: str | None = None

    @model_validator(mode="after")
    def _fit_together(self) -> Described:
        if self.stride_tokens > self.window_tokens - 2:
            raise ValueError("stride_tokens leaves out tokens between windows")
        if self.thresholds.high < self.thresholds.medium:
            raise ValueError("thresholds.high is below thresholds.medium")
        if self.thresholds.low and self.thresholds.medium < self.thresholds.low:
            raise ValueError("thresholds.medium is below thresholds.low")
        return self


def described(model: Model) -> Described:
    """Return the validated description of a model. Raises ModelError, which names the invalid key."""
    try:
        return Described.model_validate(model.settings)
    except ValidationError as error:
        wrong = next(explain(error, Described, "key"))
        raise ModelError(f"calibration.json of {model.folder} cannot be used: {wrong}. Reinstall the pinned model") from None
