"""Baselines: the peers' methods as they describe them, written anew and as plainly, to be measured against.

Not part of the product. Faults that stop the peers' programs today are left out, slowness is not.
"""
