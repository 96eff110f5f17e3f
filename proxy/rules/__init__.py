"""Rules: what a statement would block, one module and one page each.

``rule``     a function of one node and its context; its name completes "allow …" (``base``)
``finding``  what the rule says about the node, in the user's own names, with the rewrite if there is one
``subject``  the table that a finding is about, and how to speak of it (``subject``)
"""
