"""Who may start now, decided by values alone: no clock, no loop, no disk. Imports point down this list.

admission    the theory, and the decisions
limits       how many may run at once, and where one waits
places       places in limits, and orders of those who wait for them
"""
