"""A third party's plugin that draws one figure of every kind there is."""

from ibmon import AnalysisSpec, hookimpl


@hookimpl
def ibmon_analyses():
    yield AnalysisSpec(
        name="gallery", target="ibmon_gallery_figures:Gallery", figures="ibmon_gallery_figures:figures", per_estimator=False
    )
