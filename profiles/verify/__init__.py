"""The judge: everything that is stored and told, recomputed from the log, and what differs.

``report`` kinds of differences · ``source`` raw records against the log · ``log`` the log as columns · ``history``
lives told again · ``told`` what was told · ``compare`` slot by slot · ``bucket`` one bucket under judgement ·
``oracle`` features with pandas (imported only by who asks for it).
"""
