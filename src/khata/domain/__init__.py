"""The business, one room per subject. Each room imports only rooms to its left:

setup · access · khata · ledger · wallets · holds
"""
