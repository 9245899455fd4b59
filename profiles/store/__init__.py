"""Where profiles live: one contract (``base``), two stores (``memory`` for tests and dry runs, ``redis``)."""
