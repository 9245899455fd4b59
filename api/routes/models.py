"""What was learned: the churn model with its quality, segments, voices, and what they say of one customer.

Knows: paths, what an answer looks like.  Must not know: how a model is learned or asked.
"""

from __future__ import annotations

import msgspec
from fastapi import APIRouter, Depends, Request, Response
from msgspec.structs import asdict

from api.house import house_of
from api.keys import needs
from api.openapi import refuses, shows
from api.problems import Refusal
from api.respond import ok
from api.routes.profiles import ProfileId, customer
from api.shapes import ChurnModel, Learned, ModelInput, SegmentLine, SegmentModel, VoiceModel
from profiles.forecast import Forecast
from profiles.models import segment_params, voice_params
from profiles.models.churn_inputs import GROUPS, INPUTS
from profiles.models.params import Params
from profiles.models.reasons import outcome
from profiles.voice import Voice

router = APIRouter(tags=["models"], dependencies=[Depends(needs("read"))], responses=refuses(401, 403, 422, 503))


@router.get("/v1/models", summary="What was learned, and how good it is", responses=shows(Learned, "The live models."))
async def models(request: Request) -> Response:
    """The churn model that serves: since when, on how many labels, and its quality over the latest weeks; segments; and voices.

    Quality is prequential: each forecast was made before its label was known.  ``recency`` is the plain rule that ranks
    customers by their silence.  `drift` lays the latest week beside the eight before: forecasts and what the model sees need no
    labels, errors come a horizon later.  `churn` is null until the first week of the stream has ended, `segments` until enough
    customers were sampled, `voice` until a review had both stars and a text.
    """
    reader = await house_of(request).reader()
    serving, segments, voice = await reader.churn_model(), await reader.segments(), await reader.voice_model()
    return ok(
        Learned(
            _shown(serving) if serving else None,
            _segments(segments) if segments else None,
            _voice(voice) if voice else None,
        )
    )


@router.get(
    "/v1/profiles/{profile}/churn",
    summary="How likely a customer is lost, and why",
    responses=shows(Forecast, "The outlook as it is now.") | refuses(400, 404, 409),
)
async def churn(request: Request, profile: ProfileId) -> Response:
    """The probability that no order (in a shop without orders: no visit) comes within the horizon, its reasons by business group, and what would change it.

    `segment` names the customers they are most like.
    """
    reader, found = await customer(request, profile)
    told = await reader.forecast(found)
    if told is None:
        raise Refusal(
            409,
            "no_forecast",
            "this customer has never ordered (in a shop without orders: visited), or no model serves yet: see /v1/models",
        )
    return ok(told)


@router.get(
    "/v1/profiles/{profile}/voice",
    summary="What a customer lets the shop know",
    responses=shows(Voice, "Stars, complaints, and how the latest text reads.") | refuses(400, 404),
)
async def voice(request: Request, profile: ProfileId) -> Response:
    """Stars, complaints, contacts with service, and how the latest text reads by what the shop's own ratings taught.

    Until enough was learned only stars count, and `because_zh` and `because_en` say so.
    """
    reader, found = await customer(request, profile)
    return ok(await reader.voice(found))


def _shown(params: Params) -> ChurnModel:
    zh, en = outcome(params)
    columns = zip(INPUTS, params.weights, params.means, params.sds, strict=True)
    return ChurnModel(
        version=params.version,
        source=params.source,
        horizon_days=params.horizon_days,
        target=params.target,
        of_zh=zh,
        of_en=en,
        learner_share=params.blend,
        labels=params.samples,
        learned_until=params.until,
        quality=params.metrics,
        bgnbd=asdict(params.bgnbd) if params.bgnbd else None,
        gamma_gamma=asdict(params.gamma_gamma) if params.gamma_gamma else None,
        inputs=tuple(
            ModelInput(one.feature, *GROUPS[one.group], weight, mean, sd) for one, weight, mean, sd in columns
        ),
        drift=params.drift,
    )


def _segments(params: segment_params.Params) -> SegmentModel:
    return SegmentModel(
        version=params.version,
        learned_until=params.until,
        samples=params.samples,
        segments=tuple(msgspec.convert(each, SegmentLine, from_attributes=True) for each in params.segments),
        migration=params.migration,
        changed=params.changed,
        seedings=params.seedings,
    )


def _voice(params: voice_params.Params) -> VoiceModel:
    return VoiceModel(
        version=params.version,
        source="model" if params.ready else "stars",
        learned_until=params.until,
        positive=params.positive,
        negative=params.negative,
        undecided=params.undecided,
        quality=params.metrics,
    )
