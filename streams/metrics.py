"""What a worker counts for Prometheus.

Knows: names and help texts.  Must not know: who counts.  No label ever holds an id of a person.
"""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

RECEIVED = Counter("mien_events_received_total", "Records read from event topics.", ["topic"])
REJECTED = Counter("mien_events_rejected_total", "Records that became dead letters.", ["reason"])
SUPPRESSED = Counter("mien_events_suppressed_total", "Events of suppressed customers, of which nothing was kept.")
APPLIED = Counter("mien_events_applied_total", "Events folded into profiles.")
DUPLICATES = Counter("mien_events_duplicate_total", "Events recognised as repeats of an earlier message.")
SOURCES_BROKEN = Gauge(
    "mien_sources_broken", "1 while MIEN_SOURCES cannot be used and what it said before is in force."
)
FORWARDED = Counter("mien_events_forwarded_total", "Events sent on to the customer whom their id has become.")
JOINED = Counter("mien_ids_joined_total", "Ids that retired into another one.")
CLAIMS_REFUSED = Counter("mien_claims_refused_total", "Claims that two ids are one customer that were not believed.")
TRANSITIONS = Counter("mien_transitions_total", "Tags entered or left, moves on ladders.")
SWEPT = Counter("mien_profiles_swept_total", "Profiles that silence changed or was asked about.")
REFUSED = Counter("mien_commits_refused_total", "Commits refused because the bucket had moved.")
REWOUND = Counter("mien_rewinds_total", "Seeks back to the record that is wanted next.")
LEFT_ALONE = Counter("mien_profiles_left_alone_total", "Customers whom silence did not reach because that failed.")
LOST = Counter("mien_records_lost_total", "Records that were gone before they were read.", ["topic"])
WAITING = Gauge("mien_waiting", "Pieces of work that wait for Kafka or Redis.", ["what"])
ALERTS = Counter("mien_alerts_total", "Alert decisions.", ["outcome"])
DELIVERIES = Counter("mien_deliveries_total", "Delivery attempts of webhooks and SMS.", ["outcome"])
DELAY = Histogram(
    "mien_event_to_profile_seconds",
    "From the broker's timestamp of the newest record of a batch to its commit.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60),
)
BATCH = Histogram("mien_update_batch_events", "Events of one update batch.", buckets=(1, 10, 50, 100, 500, 1000, 5000))
BUCKETS = Gauge("mien_buckets_owned", "Buckets this worker writes.")
MODEL = Gauge(
    "mien_churn_quality", "Quality of the churn forecasts over the latest weeks of labels.", ["forecaster", "measure"]
)
VOICE = Gauge("mien_voice_quality", "How well texts tell their stars, over the latest rated texts.", ["measure"])
VOICE_LABELS = Gauge("mien_voice_labels", "Rated texts that were learned.")
MODEL_LABELS = Gauge("mien_churn_labels", "Labels the churn model has learned.")
DRIFT = Gauge(
    "mien_churn_drift",
    "How far the latest week lies from the eight before (PSI: look from 0.1, act from 0.25); of loss its change, 0 if none.",
    ["what"],
)
