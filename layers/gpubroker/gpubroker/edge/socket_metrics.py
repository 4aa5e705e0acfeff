"""What became of posts, as metrics. API Gateway itself counts connections and messages."""

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit

from gpubroker.delivery.sockets.fan_out import Counts


def told(counts: Counts) -> None:
    """One line for a fact or a piece that anybody listened to."""
    if not counts.listeners:
        return
    metrics = Metrics(namespace="gpubroker")
    for name, value in {
        "SocketListeners": counts.listeners,
        "SocketPosts": counts.posted,
        "SocketsGone": counts.gone,
        "SocketPiecesQueued": counts.queued,
        "SocketPostsAgain": counts.again,
        "SocketPostsGivenUp": counts.given_up,
    }.items():
        metrics.add_metric(name, MetricUnit.Count, value)
    metrics.flush_metrics()
