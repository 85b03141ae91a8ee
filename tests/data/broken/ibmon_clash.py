from ibmon import EstimatorSpec, hookimpl


@hookimpl
def ibmon_estimators():
    yield EstimatorSpec(name="binning", target="x:y")
