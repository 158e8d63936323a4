"""CARRIES ONE REQUEST, start to end; and keeps house between requests.

dispatch: the one failover loop. hunt: what it remembers of one request. attempt: one try at one
account. stream: whole frames off the wire. conversation: many turns on one client socket.
deliver: relay them, or hand over the collected answer. waiting: who is next when a place is free.
upkeep: between requests. catalog: which models the accounts list.
"""
