"""神策 names in ours: what its web, app and mini-program SDKs report by themselves, and the usual e-commerce names.

Knows: names.  Must not know: the format they travel in.
A name that is not here goes through as it is; it still proves that the customer is there.
"""

from __future__ import annotations

from typing import Final

#: event -> (type, event of ours)
EVENTS: Final[dict[str, tuple[str, str]]] = {
    "$pageview": ("page", ""),
    "$MPViewScreen": ("screen", ""),
    "$AppViewScreen": ("screen", ""),
    "$SignUp": ("track", "Signed Up"),
    "SignUp": ("track", "Signed Up"),
    "Register": ("track", "Signed Up"),
    "Login": ("track", "Signed In"),
    "ViewProduct": ("track", "Product Viewed"),
    "BrowseProduct": ("track", "Product Viewed"),
    "ViewCommodityDetail": ("track", "Product Viewed"),
    "ClickProduct": ("track", "Product Clicked"),
    "Search": ("track", "Products Searched"),
    "SearchProduct": ("track", "Products Searched"),
    "ViewProductList": ("track", "Product List Viewed"),
    "AddToCart": ("track", "Product Added"),
    "AddToShoppingCart": ("track", "Product Added"),
    "RemoveFromCart": ("track", "Product Removed"),
    "RemoveFromShoppingCart": ("track", "Product Removed"),
    "ViewShoppingCart": ("track", "Cart Viewed"),
    "Checkout": ("track", "Checkout Started"),
    "SettleAccounts": ("track", "Checkout Started"),
    "SubmitOrder": ("track", "Order Completed"),
    "PayOrder": ("track", "Payment Info Entered"),
    "CancelOrder": ("track", "Order Cancelled"),
    "CancelPayOrder": ("track", "Order Cancelled"),
    "RefundOrder": ("track", "Order Refunded"),
    "ReturnOrder": ("track", "Order Refunded"),
    "UseCoupon": ("track", "Coupon Applied"),
    "CollectProduct": ("track", "Product Added to Wishlist"),
    "CommentProduct": ("track", "Product Reviewed"),
    "ShareProduct": ("track", "Product Shared"),
    "ContactService": ("track", "Support Contacted"),
    "Complain": ("track", "Complaint Filed"),
    "Invite": ("track", "Invite Sent"),
}

#: property, lower case without ``_`` -> property of ours; the first that an event has wins
FIELDS: Final[dict[str, str]] = {
    "orderid": "order_id",
    "orderno": "order_id",
    "orderactualamount": "revenue",
    "actualpayamount": "revenue",
    "payamount": "revenue",
    "ordertotalprice": "revenue",
    "orderamount": "revenue",
    "totalpriceofcommodity": "revenue",
    "refundamount": "revenue",
    "discountamount": "discount",
    "currency": "currency",
    "commodityid": "product_id",
    "productid": "product_id",
    "skuid": "sku",
    "productcategory": "category",
    "productclassify": "category",
    "productcatalog": "category",
    "firstcommodity": "category",
    "productbrand": "brand",
    "commoditybrand": "brand",
    "productprice": "price",
    "commodityprice": "price",
    "presentprice": "price",
    "productquantity": "quantity",
    "commodityquantity": "quantity",
    "score": "rating",
    "star": "rating",
}

#: ``$lib`` -> channel
CHANNELS: Final[dict[str, str]] = {
    "js": "web",
    "Android": "app",
    "iOS": "app",
    "HarmonyOS": "app",
    "Flutter": "app",
    "ReactNative": "app",
    "MiniProgram": "mini_program",
    "WechatMini": "mini_program",
    "AlipayMini": "mini_program",
}
