"""The steps in the order in which they run."""

from headgate_verify.runner import Plan, Step
from headgate_verify.steps import artifacts, models, removal, searches, server, traces, tracking

PLAN = Plan(
    checks=(
        Step("server version", server.version),
        Step("create experiment", tracking.create_experiment, needs=("server version",)),
        Step("create run", tracking.create_run, needs=("create experiment",)),
        Step("params", tracking.params, needs=("create run",)),
        Step("single metric", tracking.single_metric, needs=("create run",)),
        Step("metric batch", tracking.metric_batch, needs=("create run",)),
        Step("tags", tracking.tags, needs=("create run",)),
        Step("text artifact", artifacts.text, needs=("create run",)),
        Step("empty file", artifacts.empty_file, needs=("text artifact",)),
        Step("awkward file name", artifacts.awkward_name, needs=("text artifact",)),
        Step("large file", artifacts.large_file, needs=("text artifact",)),
        Step("list artifacts", artifacts.listing, needs=("text artifact",)),
        Step("log and register model", models.log_and_register, needs=("text artifact",)),
        Step("model alias", models.alias, needs=("log and register model",)),
        Step("load by alias and predict", models.load_and_predict, needs=("model alias",)),
        Step("trace over OTLP", traces.over_otlp, needs=("create experiment",)),
        Step("finish run", tracking.finish_run, needs=("create run",)),
        Step("search experiments", searches.experiments, needs=("create experiment",)),
        Step("search runs", searches.runs, needs=("params", "single metric")),
        Step("search registered models", searches.models, needs=("log and register model",)),
        Step("search model versions", searches.versions, needs=("log and register model",)),
        Step("search traces", searches.traces, needs=("trace over OTLP",)),
    ),
    removals=(
        Step("remove trace", removal.trace, removes=removal.TRACE),
        Step("remove registered model", removal.model, removes=removal.MODEL),
        Step("remove logged model", removal.logged_model, removes=removal.LOGGED_MODEL),
        Step("remove run", removal.run, removes=removal.RUN),
        Step("remove experiment", removal.experiment, removes=removal.EXPERIMENT),
    ),
    answers=server.answers,
)
