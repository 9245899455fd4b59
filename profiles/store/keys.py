"""Every key that Mien uses in Redis: its name, its type, what it holds.

``{b}`` is the hash tag of a bucket (``{0}``, ``{1}`` ...): all keys of a bucket live in one Cluster slot and change in
one atomic call.  Nothing else in the project may spell a key.

Of one bucket, written only by the worker that owns it:
    {b}:ck         hash    checkpoint: v, next, seq ...; `s:<topic>/<partition>` -> last source offset, `c:` -> clock;
                           `t:<topic>` -> code of the id of the topic that these offsets are about;
                           `g:<seq>` -> up to which number the store took back what was said after that one
    {b}:p:<id>     string  a profile: layout fingerprint and packed row; before it a head, if the id is not alone
    {b}:x:<id>     string  its sidecar: msgpack of what cannot be counted (traits in words, ids)
    {b}:m:<id>     hash    its parts, if other ids retired into it: name -> msgpack of what came through it
    {b}:due        zset    profile -> moment (ms) at which silence next changes something; also the roster
    {b}:tag:<tag>  set     profiles that hold a tag
    {b}:n          hash    how many customers hold a tag (`tag:<tag>`) or stand on a rung (`tier:high_value`);
                           steps (`path:VIEW>ORDER`) and returns (`retention:2026-11-16:w3`), see ``profiles.census``
    {b}:out        stream  outbox: ids `<seq>-0`, field `m` = messages not yet published
    {b}:t:<id>     list    timeline of a profile, newest first, capped; see ``profiles.timeline``
    {b}:k          hash    customer, hashed -> the key that this customer's personal traits are sealed with, locked;
                           intake makes it when it first seals something, whoever erases the customer destroys it
    {b}:s          hash    customer, hashed -> since when (ms) no event of theirs is taken
    {b}:r          hash    `<regulation>|<customer, hashed>` -> JSON: what was destroyed here, and when

Of all buckets:
    names          hash    code -> text of every category, brand, item, city ... seen (write-once)
    meta           hash    bucket count, time zone, currency, schema; checked at start
    alarms         hash    name -> JSON: what somebody should look at, and until when that is shown
    layouts        hash    fingerprint -> pieces of every layout that ever wrote a profile
    rules          hash    version -> JSON: tags document, numbers, phrases; `live` -> current version
    params:<name>  hash    version -> JSON; `live` -> current version
    keys           hash    SHA-256 of an API key -> JSON: name, scopes
    regulations    hash    id -> JSON: what was ordered about whom (hashed), by whom
    scrubbed       hash    `events`, `letters`, `store` -> since when (ms) all is from that is still in event topics, in
                           dead letters, in files of the store
    vault          hash    `index` -> the key of the blind index, locked if there is a ring

Of the audit log (one hash tag, so they change together):
    {audit}:log         stream  every look at personal data: ids `<number>-0`, field `e` = entry (JSON); never trimmed
    {audit}:head        hash    `seq` number and `last` hash of the last entry

Of the alert desk (one hash tag, so they change together):
    {alerts}:cursor     hash    bucket -> seq of the last transition seen; `<bucket>@` -> offset to read next;
                                `older` -> when an older state of these keys came back (ms);
                                `day:<n>` -> ranked alerts raised on a day of the shop
    {alerts}:a:<id>     hash    one alert: as raised (JSON), its number, state, causes, deliveries; 180 days from its end
    {alerts}:all        zset    alert id -> its number, in the order of raising; capped
    {alerts}:in:<state> zset    the same of the alerts that are open, acknowledged or resolved (these capped)
    {alerts}:open       hash    policy|profile -> id of the alert that is not resolved
    {alerts}:causes     hash    what|name|profile -> id of the alert it holds open
    {alerts}:feed       stream  every alert event, for screens: type, data (JSON); capped
    {alerts}:lanes      hash    lane -> URL (empty: SMS) of every lane that ever had a delivery
    {alerts}:disabled   hash    lane -> JSON: since when nothing is posted there, and why
    {alerts}:due:<lane> zset    delivery id -> moment of the next attempt (ms), or the end of a worker's lease
    {alerts}:d:<id>     hash    one delivery: what, where, attempts, state; 30 days from its end
    {alerts}:stakes     zset    alerts that are not resolved, by what is at stake
    {alerts}:ledger     stream  every send, refusal and failure with its reason; capped
    {alerts}:dead       stream  deliveries that ran out of attempts, with what was to be sent; capped
    {alerts}:forgotten  hash    `<regulation>|<customer, hashed>` -> JSON: what the desk destroyed, and when
    {alerts}:counts     hash    raised, resolved, and lines of the ledger by channel, outcome and reason

Of the quality of sources (one hash tag):
    {quality}:d:<day>  hash  `<source> TAB <counter>` -> how many; a day of the shop by arrival; 32 days
    {quality}:at       hash  `<topic>/<partition>` -> next offset to count, latest arrival counted (ms)
    {quality}:imports  hash  id of an import -> when it began (ms), rows, JSON: what became of them; 32 days

Of dead letters that were sent again (one hash tag):
    {redrive}:sent  hash    id of a dead letter -> where it went, `<topic>/<partition>/<offset>`, and its time (ms);
                            while it is on its way the offset is a lower bound with `~` before it
    {redrive}:lock  string  who is sending; ends by itself
"""

from __future__ import annotations

from typing import Final

NAMES: Final = "names"
META: Final = "meta"
ALARMS: Final = "alarms"
LAYOUTS: Final = "layouts"
RULES: Final = "rules"
API_KEYS: Final = "keys"
VAULT: Final = "vault"
REGULATIONS: Final = "regulations"
SCRUBBED: Final = "scrubbed"

AUDIT_LOG: Final = "{audit}:log"
AUDIT_HEAD: Final = "{audit}:head"

ALERTS: Final = "{alerts}"
ALERT_CURSOR: Final = f"{ALERTS}:cursor"
ALERT_ALL: Final = f"{ALERTS}:all"
ALERT_OPEN: Final = f"{ALERTS}:open"
ALERT_CAUSES: Final = f"{ALERTS}:causes"
ALERT_FEED: Final = f"{ALERTS}:feed"
ALERT_LANES: Final = f"{ALERTS}:lanes"
ALERT_DISABLED: Final = f"{ALERTS}:disabled"
ALERT_STAKES: Final = f"{ALERTS}:stakes"
ALERT_LEDGER: Final = f"{ALERTS}:ledger"
ALERT_DEAD: Final = f"{ALERTS}:dead"
ALERT_COUNTS: Final = f"{ALERTS}:counts"
ALERT_FORGOTTEN: Final = f"{ALERTS}:forgotten"

QUALITY_AT: Final = "{quality}:at"
IMPORTS: Final = "{quality}:imports"

REDRIVEN: Final = "{redrive}:sent"
REDRIVE_LOCK: Final = "{redrive}:lock"


def quality(day: str) -> str:
    """What was counted of all sources on one day."""
    return f"{{quality}}:d:{day}"


def checkpoint(bucket: int) -> str:
    """Where a bucket stands."""
    return f"{{{bucket}}}:ck"


def profile(bucket: int, name: str) -> str:
    """One customer."""
    return f"{{{bucket}}}:p:{name}"


def sidecar(bucket: int, name: str) -> str:
    """Traits in words of one customer."""
    return f"{{{bucket}}}:x:{name}"


def parts(bucket: int, name: str) -> str:
    """What came to one customer through ids that retired into it."""
    return f"{{{bucket}}}:m:{name}"


def due(bucket: int) -> str:
    """When each customer is due; also the roster."""
    return f"{{{bucket}}}:due"


def tag(bucket: int, name: str) -> str:
    """Who holds a tag."""
    return f"{{{bucket}}}:tag:{name}"


def counts(bucket: int) -> str:
    """How many hold each tag or stand on each rung; steps and returns of all."""
    return f"{{{bucket}}}:n"


def outbox(bucket: int) -> str:
    """What still has to leave."""
    return f"{{{bucket}}}:out"


def timeline(bucket: int, name: str) -> str:
    """What happened to one customer."""
    return f"{{{bucket}}}:t:{name}"


def data_keys(bucket: int) -> str:
    """Keys that personal traits of this bucket's customers are sealed with."""
    return f"{{{bucket}}}:k"


def suppressed(bucket: int) -> str:
    """Customers of whom no event is taken."""
    return f"{{{bucket}}}:s"


def receipts(bucket: int) -> str:
    """What was destroyed in a bucket."""
    return f"{{{bucket}}}:r"


def of_customer(bucket: int, name: str) -> list[str]:
    """Every key that is about one customer alone: with them gone, and the name in no index, the customer is."""
    return [profile(bucket, name), sidecar(bucket, name), timeline(bucket, name), parts(bucket, name)]


def params(name: str) -> str:
    """Versions of some params."""
    return f"params:{name}"


def alert(name: str) -> str:
    """One alert."""
    return f"{ALERTS}:a:{name}"


def delivery(name: str) -> str:
    """One delivery."""
    return f"{ALERTS}:d:{name}"


def alerts_in(state: str) -> str:
    """Index of the alerts in a state."""
    return f"{ALERTS}:in:{state}"


def due_deliveries(lane: str) -> str:
    """Queue of a lane."""
    return f"{ALERTS}:due:{lane}"
