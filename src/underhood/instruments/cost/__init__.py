"""The instrument `cost`: parameters, multiply–adds, activations and receptive field of every layer, with the sums.

A network is run once on the meta device and the pass is read, in this order:

    count.py            the function `cost`: build, run, read
    layers.py           the record of the pass as rows
    products.py         multiply–adds of an operation          arithmetic.py   the sums written out
    receptive_field/    which pixels each layer sees
    result.py           what was found                         tables.py       how it looks
    compare.py          two networks side by side              verify.py       totals and fields checked the long way
"""

from underhood.instruments.cost.count import Cost, cost

__all__ = ["Cost", "cost"]
